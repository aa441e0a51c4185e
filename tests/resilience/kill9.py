"""Kill -9 of isolated workers: only their own call fails."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from resilience import processes
from resilience.bar import Bar, Report, percentile
from resilience.callers import Answer, Caller
from resilience.deployment import running

IN_FLIGHT = 3
CONFIG = """\
version: 1
functions:
  isolated: {handler: chaos.act, isolation: process, workers: 4, timeout: 20}
"""


def run(size: int, report: Report) -> None:
    """Kill so many workers, idle or busy, with calls in flight."""
    dice = random.Random(size)
    answered = died = other = wrong = worst = unknown = 0
    next_calls = []
    here = threading.local()

    with (
        running(CONFIG) as (instance, _),
        ExitStack() as stack,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        instance.invoke("isolated", b"pid")

        def say(token: str) -> tuple[str, Answer]:
            if not hasattr(here, "caller"):
                here.caller = stack.enter_context(Caller(instance.port))
            answer: Answer = here.caller.invoke("isolated", f"say {token} 0.02".encode())
            return token, answer

        caller = stack.enter_context(Caller(instance.port))
        for number in range(size):
            calls = [pool.submit(say, f"{number}-{index}") for index in range(IN_FLIGHT)]
            time.sleep(dice.random() * 0.03)
            if workers := processes.descendants(instance.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(workers), signal.SIGKILL)
            failed = 0
            for call in calls:
                token, answer = call.result()
                if answer.status == 200:
                    wrong += answer.body != token.encode()
                    answered += 1
                else:
                    failed += 1
                    other += b"SIGKILL" not in answer.body
            died += failed
            worst = max(worst, failed)
            after = caller.invoke("isolated", b"pid")
            unknown += after.status != 200
            next_calls.append(after.seconds)
            report.progress(f"{number + 1} of {size} kills, {answered} answered, {died} died")
        code = instance.stop()
    report.figure(f"{size} kills, {IN_FLIGHT} calls in flight: {answered} answered, {died} died")
    report.expect(wrong == 0, f"{wrong} wrong answers")
    report.expect(worst <= 1, f"at most {worst} a kill")
    report.expect(other == 0, f"{other} failed otherwise")
    report.expect(unknown == 0, f"{unknown} next calls failed")
    report.expect(code == 0, f"exit code {code}")
    report.figure(f"next call p99 {percentile(next_calls, 99) * 1e3:.0f} ms")
    report.expect_within(max(next_calls), 0.1 + 0.3, "longest with start and imports")


BAR = Bar(8, "kill", "kill -9 of a worker costs no other call", 1000, 40, run)
