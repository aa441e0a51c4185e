"""Segmentation faults of processes under the supervisor: no connection is refused."""

import re
import threading
import time
from collections import Counter

from resilience.bar import Bar, Crowd, Report, percentile
from resilience.callers import Caller, Lost, Unsent
from resilience.deployment import running
from support.deployed import Instance
from support.supervised import Supervised, alive, born
from support.waiting import wait_until

PROCESSES, IN_FLIGHT = 8, 4
# Seconds between two faults. Each process then lives for 1.6 s: the supervisor takes one that ends
# within a second for a start that failed, and gives up after ten of them.
PAUSE = 0.2
CONFIG = f"""\
version: 1
runtime: {{processes: {PROCESSES}, drain_timeout: 5}}
functions: {{act: {{handler: chaos.act}}}}
"""


def crash(instance: Instance, pid: int) -> None:
    """Have a certain process answer, and then fault."""
    while alive(pid):
        with Caller(instance.port) as caller:
            if caller.invoke("act", b"pid").body == str(pid).encode():
                try:
                    caller.invoke("act", b"segfault")
                except Lost:
                    return


def run(size: int, report: Report) -> None:
    """Crash the oldest process so many times."""
    seen: Counter[str] = Counter()
    times: list[float] = []
    lock = threading.Lock()

    def call(_index: int, stop: threading.Event) -> None:
        while not stop.is_set():
            began, outcome = time.monotonic(), "ok"
            with Caller(instance.port) as caller:
                try:
                    status = caller.invoke("act", b"pid").status
                    outcome = "ok" if status == 200 else "failed"
                except Lost:
                    outcome = "lost"
                except Unsent:
                    outcome = "refused"
            with lock:
                seen[outcome] += 1
                if outcome == "ok":
                    times.append(time.monotonic() - began)
            time.sleep(0.001)

    with running(CONFIG) as (instance, folder):
        family = Supervised(instance.process, instance.port, folder / "instance.log")
        wait_until(lambda: len(family.pids) == PROCESSES)
        time.sleep(1.2)  # each has lived for a second before it crashes
        with Crowd(IN_FLIGHT, call):
            for number in range(size):
                oldest = min(family.pids, key=born)
                crash(instance, oldest)
                wait_until(lambda pid=oldest: not alive(pid))  # type: ignore[misc]
                time.sleep(PAUSE)
                report.progress(f"{number + 1} of {size} faults, {dict(seen)}")
        wait_until(lambda: len(family.pids) == PROCESSES)
        reported = len(re.findall("SIGSEGV$", instance.log, re.MULTILINE))
        code = instance.stop()
    report.figure(f"{size} faults, {PROCESSES} processes: {seen['ok']} answered")
    report.expect(reported == size, f"{reported} reported in the log")
    report.expect(seen["refused"] == 0, f"{seen['refused']} refused")
    report.expect(seen["failed"] == 0, f"{seen['failed']} failed")
    lost = seen["lost"]
    report.expect(lost <= size * IN_FLIGHT, f"{lost} lost (<= {size * IN_FLIGHT} in flight)")
    report.expect(code == 0, f"exit code {code}")
    report.figure(f"p99 {percentile(times, 99) * 1e3:.0f} ms")
    report.expect_within(max(times), 0.5, "longest wait")


BAR = Bar(9, "crash", "a segmentation fault refuses no connection", 100, 5, run)
