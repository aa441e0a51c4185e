"""Edits of the configuration under load, some wrong: none fails or mixes an answer."""

import re
import threading
import time
from collections import Counter

from resilience.bar import Bar, Crowd, Report, percentile
from resilience.callers import Caller, Lost, Unsent
from resilience.deployment import Editor, running

CALLERS = 4
INVALID = ("version: 7", "{", "version: 1\nfunctions: {v: {handler: chaos.Missing}}", "functions:")


def config(version: int) -> str:
    """Return a configuration in which two plugins must be of the same version."""
    return f"""\
version: 1
functions:
  v:
    handler: chaos.Versioned
    settings: {{version: {version}}}
    middleware: [{{name: "chaos:Stamp", settings: {{version: {version}}}}}]
  kept: {{handler: chaos.echo}}
"""


class Watcher:
    """Callers that check each answer against the version that served when it was asked for."""

    def __init__(self, port: int) -> None:
        self.version = 0
        self.seen: Counter[str] = Counter()
        self._port = port
        self._lock = threading.Lock()

    def call(self, _index: int, stop: threading.Event) -> None:
        """Ask time and again."""
        with Caller(self._port) as caller:
            while not stop.is_set():
                least = self.version
                try:
                    answer = caller.invoke("v")
                except (Lost, Unsent):
                    outcome = "lost"
                else:
                    outcome = self._judge(answer.status, answer.body.decode(), least)
                with self._lock:
                    self.seen[outcome] += 1

    def _judge(self, status: int, body: str, least: int) -> str:
        if status != 200:
            return "failed"
        outer, inner = map(int, body.split())
        if outer != inner:
            return "mixed"
        return "ok" if least <= inner <= self.version + 1 else "stale"


def run(size: int, report: Report) -> None:
    """Reload so many times."""
    times, wrong, current = [], 0, 0
    with running(config(0)) as (instance, folder):
        instance.invoke("v")
        editor, watcher = Editor(instance, folder), Watcher(instance.port)
        began = time.monotonic()
        with Crowd(CALLERS, watcher.call):
            for number in range(1, size + 1):
                bad = number % 10 == 0
                text = INVALID[number // 10 % len(INVALID)] if bad else config(current + 1)
                started = time.monotonic()
                wrong += editor.edit(text) == bad
                times.append(time.monotonic() - started)
                if not bad:
                    current += 1
                    watcher.version = current
                report.progress(f"{number} of {size} reloads, {dict(watcher.seen)}")
        rate = watcher.seen.total() / (time.monotonic() - began)
        code = instance.stop()
        stops = Counter(re.findall(r"^stopped (\d+) in", instance.log, re.MULTILINE))
    seen = watcher.seen
    report.figure(f"{size} reloads, {size // 10} invalid, {current} versions")
    report.figure(f"{seen['ok']} answers at {rate:.0f} a second")
    report.expect(wrong == 0, f"{wrong} edits judged wrongly")
    report.expect(seen["failed"] + seen["lost"] == 0, f"{seen['failed'] + seen['lost']} failed")
    report.expect(seen["mixed"] == 0, f"{seen['mixed']} mixed")
    report.expect(seen["stale"] == 0, f"{seen['stale']} stale")
    once = sum(count == 1 for count in stops.values())
    report.expect(
        once == len(stops) == current + 1, f"{once} of {current + 1} objects stopped once"
    )
    report.expect(code == 0, f"exit code {code}")
    report.figure(f"reload p50 {percentile(times, 50) * 1e3:.0f} ms")
    report.figure(f"p99 {percentile(times, 99) * 1e3:.0f} ms")


BAR = Bar(6, "reload", "reloads under load fail and mix nothing", 1000, 30, run)
