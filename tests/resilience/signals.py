"""Signals in the first moments of an instance."""

import signal
import time

from resilience.bar import Bar, Report
from resilience.callers import Caller, Lost
from resilience.deployment import running

RUNTIMES = {"single": "supervise: false", "supervised": "supervise: true"}


def start(runtime: str, number: signal.Signals, delay: float) -> tuple[bool, int]:
    """Signal an instance whose port is open; return whether a client was answered, and the code."""
    config = f"version: 1\nruntime: {{{runtime}}}\nfunctions: {{echo: {{handler: chaos.echo}}}}\n"
    with running(config, loaded=False) as (instance, _), Caller(instance.port) as caller:
        caller.connect()
        time.sleep(delay)
        instance.process.send_signal(number)
        try:
            answered = caller.invoke("echo", b"hello").body == b"hello"
        except Lost:
            answered = False
        if number == signal.SIGHUP:
            return answered and instance.process.poll() is None, instance.stop()
        return answered, instance.process.wait(60)


def run(size: int, report: Report) -> None:
    """Start so many instances of each kind for each signal."""
    for name, runtime in RUNTIMES.items():
        for number in (signal.SIGHUP, signal.SIGTERM):
            lost = codes = 0
            for turn in range(size):
                answered, code = start(runtime, number, turn % 30 * 0.005)
                lost += not answered
                codes += code != 0
                report.progress(f"{name}, {number.name}: {turn + 1} of {size}")
            report.expect(lost == 0, f"{name}, {number.name}: {lost} of {size} clients lost")
            report.expect(codes == 0, f"{codes} exit codes not 0")


BAR = Bar(18, "signals", "signals lose no client once the port is open", 30, 1, run)
