"""An instance is frozen, as FC does it, and thawed: connections and requests go on."""

import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from resilience.bar import Bar, Report, percentile
from resilience.callers import Caller, Lost
from resilience.deployment import running
from support.served import request, served

FREEZES, CONNECTIONS = 5, 20
CONFIG = """\
version: 1
runtime: {watchdog: 3}
functions: {echo: {handler: chaos.echo}, nap: {handler: chaos.nap, timeout: 60}}
"""


def run(size: int, report: Report) -> None:
    """Freeze for so many seconds, several times.

    Beside the instance a bare server is frozen, whose idle connections would live less long.
    """
    freezes = FREEZES if size >= 10 else 1
    good = through = total = 0
    times: list[float] = []
    with ExitStack() as stack:
        instance, _ = stack.enter_context(running(CONFIG))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(served(folder, idle_timeout=0.75 * size))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        callers = [stack.enter_context(Caller(instance.port)) for _ in range(CONNECTIONS)]
        short = [stack.enter_context(Caller(server.port)) for _ in range(CONNECTIONS)]
        napper = stack.enter_context(Caller(instance.port))
        for number in range(freezes):
            for caller in callers:
                caller.invoke("echo")
            for caller in short:
                caller.ask(request("GET", "/"))
            napping = pool.submit(napper.invoke, "nap", b"0.5")
            time.sleep(0.2)
            for process in (instance.process, server.process):
                process.send_signal(signal.SIGSTOP)
            for second in range(size):
                time.sleep(1)
                report.progress(f"freeze {number + 1} of {freezes}, {second + 1} of {size} s")
            for process in (instance.process, server.process):
                process.send_signal(signal.SIGCONT)
            data = request("POST", "/invoke", b"old", "x-fc-function-name: echo")
            for caller, ask in [(c, request("GET", "/")) for c in short] + [
                (c, data) for c in callers
            ]:
                total += 1
                sock = caller.connect()
                try:
                    answer = caller.ask(ask)
                except Lost:
                    continue
                times.append(answer.seconds)
                good += answer.status == 200 and (caller.connect() is sock or sock.fileno() < 0)
            through += napping.result().status == 200
            time.sleep(4 if number == freezes - 1 else 0.5)
        alive = instance.process.poll() is None
        code = instance.stop()
        log = instance.log
    report.figure(f"{freezes} freezes of {size} s")
    report.expect(good == total, f"{good} of {total} requests on old connections answered")
    report.expect(through == freezes, f"{through} of {freezes} in flight answered")
    quiet = "most recent call first" not in log
    report.expect(alive and quiet and code == 0, "a watchdog of 3 s did not fire")
    report.figure(f"p99 {percentile(times, 99) * 1e3:.0f} ms")


BAR = Bar(11, "freeze", "a freeze costs no connection and no request", 10, 4, run)
