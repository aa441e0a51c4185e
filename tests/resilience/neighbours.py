"""A function that never returns, and a healthy one beside it."""

import threading
import time

from resilience.bar import Bar, Crowd, Report, percentile
from resilience.callers import Caller
from resilience.deployment import running
from resilience.processes import wait_at_most

TIMEOUT = 0.5
CONFIG = f"""\
version: 1
functions:
  hung: {{handler: chaos.nap, timeout: {TIMEOUT}, concurrency: 4}}
  healthy: {{handler: chaos.echo, timeout: 5}}
"""
HUNG_CALLERS, HEALTHY_CALLERS = 20, 2


def run(size: int, report: Report) -> None:
    """Call both for so many seconds."""
    hung: list[tuple[int, float]] = []
    healthy: list[tuple[bool, float]] = []
    with running(CONFIG) as (instance, _):

        def call_hung(_index: int, stop: threading.Event) -> None:
            with Caller(instance.port) as caller:
                while not stop.is_set():
                    answer = caller.invoke("hung", b"600")
                    hung.append((answer.status, answer.seconds))
                    stop.wait(0.02)

        def call_healthy(index: int, stop: threading.Event) -> None:
            with Caller(instance.port) as caller:
                while not stop.is_set():
                    token = f"{index}-{len(healthy)}".encode()
                    answer = caller.invoke("healthy", token)
                    healthy.append(((answer.status, answer.body) == (200, token), answer.seconds))
                    stop.wait(0.001)

        with Crowd(HUNG_CALLERS, call_hung), Crowd(HEALTHY_CALLERS, call_healthy):
            for second in range(size):
                time.sleep(1)
                report.progress(f"{second + 1} of {size} s, {len(healthy)} healthy answers")
            wait_at_most(60, lambda: len(hung) >= HUNG_CALLERS and healthy)
        health = instance.call("GET", "/health").status
    good = sum(ok for ok, _ in healthy)
    timeouts = [seconds for status, seconds in hung if status == 404]
    refused = sum(status == 429 for status, _ in hung)
    report.figure(f"{HUNG_CALLERS} callers of a hung function for {size} s")
    report.expect(good == len(healthy) > 0, f"{good} of {len(healthy)} healthy ok")
    report.expect(health == 200, f"health {health}")
    report.expect(len(timeouts) >= 4, f"{len(timeouts)} timeouts")
    odd = len(hung) - len(timeouts) - refused
    report.expect(refused > 0 and odd == 0, f"{refused} times 429, {odd} else")
    report.expect_within(percentile([s for _, s in healthy], 99), 0.05, "healthy p99")
    report.expect_within(max(s for _, s in hung), TIMEOUT + 0.1, "hung, longest")


BAR = Bar(7, "neighbour", "a hung function leaves a healthy one alone", 10, 2, run)
