"""SIGTERM under load: what was accepted is answered, and what hangs is abandoned in time."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from resilience.bar import Bar, Crowd, Report, percentile
from resilience.callers import Caller, Lost, Unsent
from resilience.deployment import running
from resilience.processes import wait_at_most

CALLERS = 8
DRAIN_TIMEOUT = 30.0  # seconds; a drain is reported as late long before
SOON = 5.5
CONFIG = f"""\
version: 1
runtime: {{drain_timeout: {DRAIN_TIMEOUT}}}
functions:
  linger: {{handler: chaos.linger}}
  nap: {{handler: chaos.nap}}
"""
AT_ONCE = 2  # instances


def stop_under_load(trial: int) -> tuple[Counter[str], int, float]:
    """Return what callers saw, the exit code, and how long the stop took in seconds."""
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def call(index: int, stop: threading.Event) -> None:
        with Caller(instance.port) as caller:
            number = 0
            while not stop.is_set():
                number += 1
                token = f"{trial}-{index}-{number}".encode()
                try:
                    answer = caller.invoke("linger", token)
                    outcome = "ok" if (answer.status, answer.body) == (200, token) else "wrong"
                except Lost:
                    outcome = "lost"
                except Unsent:
                    outcome = "refused"
                with lock:
                    seen[outcome] += 1
                if outcome == "refused":
                    if instance.process.poll() is not None:
                        return
                    time.sleep(0.01)

    with running(CONFIG) as (instance, _), Crowd(CALLERS, call) as crowd:
        wait_at_most(60, lambda: seen["ok"] >= CALLERS)
        time.sleep(0.2 + trial % 10 * 0.02)
        began = time.monotonic()
        code = instance.stop()
        took = time.monotonic() - began
        crowd.stop.set()
    return seen, code, took


def stop_with_a_stuck_handler() -> tuple[int, float, bool]:
    """Return the exit code, how long it took, and whether the log says what was abandoned."""
    with running(CONFIG.replace(f"{DRAIN_TIMEOUT}", "1.0")) as (instance, _):

        def stick(_index: int, _stop: threading.Event) -> None:
            try:
                Caller(instance.port).invoke("nap", b"60")
            except Lost:
                return

        with Crowd(1, stick):
            instance.wait_for("FC Invoke Start")
            began = time.monotonic()
            code = instance.stop()
            took = time.monotonic() - began
        return code, took, "1 requests running" in instance.log


def run(size: int, report: Report) -> None:
    """Stop so many instances."""
    seen: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    times = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, outcome in enumerate(pool.map(stop_under_load, range(size))):
            seen += outcome[0]
            codes[outcome[1]] += 1
            times.append(outcome[2])
            report.progress(f"{number + 1} of {size} stops, {dict(seen)}")
    report.figure(f"{size} stops, {seen['ok']} answered")
    report.expect(seen["ok"] > size, "under load")
    report.expect(seen["lost"] == 0, f"{seen['lost']} lost")
    report.expect(seen["wrong"] == 0, f"{seen['wrong']} wrong")
    report.expect(codes == {0: size}, f"exit codes {dict(codes)}")
    report.figure(f"stop p50 {percentile(times, 50) * 1000:.0f} ms")
    report.expect_within(max(times), SOON, "longest stop")
    code, took, reported = stop_with_a_stuck_handler()
    report.expect(code == 1, f"stuck handler: exit code {code}")
    report.expect(reported, "reported in the log")
    report.expect(took > 0.9, f"after {took:.2f} s")
    report.expect_within(took, 1.5, "stuck handler's stop")


BAR = Bar(
    5, "drain", "SIGTERM under load loses nothing; a stuck handler does not hold it", 100, 2, run
)
