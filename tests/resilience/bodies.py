"""Events of the largest size at once, one byte more, and no room for them on the disk."""

import hashlib
import os
import threading

from resilience import processes
from resilience.bar import Bar, Crowd, Report
from resilience.callers import Caller, Lost, Unsent
from resilience.deployment import running
from resilience.processes import MIB
from support.served import request

LIMIT = 32 * MIB
AT_ONCE = 8
CONFIG = "version: 1\nfunctions: {echo: {handler: chaos.echo}}\n"


def run(size: int, report: Report) -> None:
    """Echo eight events of so many MiB at once."""
    event = os.urandom(MIB) * size
    digest = hashlib.sha256(event).digest()
    times: list[float] = []
    with running(CONFIG) as (instance, _):
        pid = instance.process.pid

        def echo(_index: int, _stop: threading.Event) -> None:
            with Caller(instance.port, 120) as caller:
                answer = caller.invoke("echo", event)
            if answer.status == 200 and hashlib.sha256(answer.body).digest() == digest:
                times.append(answer.seconds)

        with Crowd(AT_ONCE, echo):
            pass
        peak = processes.peak(pid) / MIB
        most = AT_ONCE * 2 * size + 64
        report.expect(len(times) == AT_ONCE, f"{len(times)} of {AT_ONCE} x {size} MiB echoed")
        report.figure(f"in {max(times, default=0):.1f} s")
        report.expect(peak <= most, f"peak memory {peak:.0f} MiB (<= {most})")
        report.progress(f"{len(times)} echoed, peak {peak:.0f} MiB")
        for length, expected in ((LIMIT, 200), (LIMIT + 1, 413)):
            with Caller(instance.port, 120) as caller:
                status = caller.invoke("echo", bytes(length)).status
            report.expect(status == expected, f"{length} bytes: {status}")
        processes.limit_file_size(pid, MIB)
        outcome = _without_room(instance.port)
        report.expect(outcome in ("503", "lost"), f"no room on the disk: {outcome}")
        small = instance.invoke("echo", b"small")
        report.expect((small.status, small.body) == (200, b"small"), "then the server goes on")
        report.expect("Traceback" not in instance.log, "no traceback")
        report.expect(instance.stop() == 0, "exit code 0")


def _without_room(port: int) -> str:
    data = request("POST", "/invoke", bytes(8 * MIB), "x-fc-function-name: echo")
    try:
        with Caller(port) as caller:
            return str(caller.ask(data).status)
    except (Lost, Unsent):
        return "lost"


BAR = Bar(12, "bodies", "the largest events in bounded memory", 32, 8, run)
