"""The plugins of the repository, all around one function: nothing is lost, and what each costs."""

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from resilience import processes
from resilience.bar import Bar, Crowd, Report
from resilience.callers import Answer, Caller, Lost, Unsent
from resilience.deployment import running
from resilience.processes import MIB
from support.deployed import Instance
from support.photos import photo

CALLERS = 4
COLLECTOR = Path(__file__).parent / "code" / "collector.py"
SCHEMA = {
    "type": "object",
    "required": ["events", "id"],
    "properties": {"events": {"type": "array", "minItems": 1}, "id": {"type": "string"}},
}
ALONE = ("otel", "idempotency", "validate")


def config(folder: Path, endpoint: str, *, observed: bool) -> str:
    """Return functions that are the same handler, with each of the plugins and with all."""
    settings: dict[str, dict[str, Any]] = {
        "otel": {"endpoint": endpoint, "export": "invocation"},
        "idempotency": {"store": str(folder / "records.db"), "key": "id"},
        "validate": {"schema": SCHEMA},
    }
    middleware = {name: [{"name": name, "settings": settings[name]}] for name in ALONE}
    lists = {"none": [], **middleware, "all": [each[0] for each in middleware.values()]}
    functions = {
        name: {
            "handler": "thumbnail",
            "settings": {"mount": str(folder / "bucket"), "width": 32, "height": 32},
            "middleware": given,
        }
        for name, given in lists.items()
    }
    runtime = {"observers": ["metrics"]} if observed else {}
    everything = {"echo": {"handler": "chaos.echo"}, **functions}
    return json.dumps({"version": 1, "runtime": runtime, "functions": everything})


@contextlib.contextmanager
def collecting() -> Iterator[str]:
    """Run a collector in a process of its own; yield its URL."""
    process = subprocess.Popen(
        [sys.executable, str(COLLECTOR)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


class Load:
    """What the callers of the function with all plugins saw."""

    def __init__(self, instance: Instance) -> None:
        self.seen: Counter[str] = Counter()
        self.why: list[str] = []
        self._instance = instance
        self._lock = threading.Lock()

    def call(self, index: int, stop: threading.Event) -> None:
        """Call with new events, with those of before, and with some that do not fit."""
        dice, number = random.Random(index), 0
        before: tuple[bytes, bytes] | None = None
        with Caller(self._instance.port) as caller:
            while not stop.is_set():
                number += 1
                event = created(f"{index}-{number}")
                kind = dice.choices(("new", "again", "wrong"), (7, 2, 1))[0]
                if kind == "again" and before:
                    event = before[0]
                elif kind == "wrong":
                    event = event.replace(b'"id"', b'"idea"')
                else:
                    kind = "new"
                try:
                    answer = caller.invoke("all", event)
                except (Lost, Unsent) as error:
                    self._note("lost", str(error))
                    continue
                good = self._judge(kind, answer, before)
                self._note(kind if good else "bad", "" if good else f"{kind}: {answer}")
                if kind == "new" and good:
                    before = event, answer.body

    @staticmethod
    def _judge(kind: str, answer: Answer, before: tuple[bytes, bytes] | None) -> bool:
        if kind == "wrong":
            return answer.status == 404 and b"InvalidEvent" in answer.body
        made = answer.status == 200 and b'"written": [' in answer.body
        return made and (kind == "new" or (before is not None and answer.body == before[1]))

    def _note(self, what: str, why: str) -> None:
        with self._lock:
            self.seen[what] += 1
            if why and len(self.why) < 5:
                self.why.append(f"{what}: {why}")


def created(token: str) -> bytes:
    """Return an event of OSS for an object that was created, with an id of its own."""
    oss = {"bucket": {"name": "photos"}, "object": {"key": "cat.jpg"}}
    record = {"eventName": "ObjectCreated:PutObject", "oss": oss}
    return json.dumps({"events": [record], "id": token}).encode()


def added(plain: Instance, observed: Instance, seconds: float) -> dict[str, float]:
    """Return the milliseconds of a call, and what each plugin adds: medians of paired calls."""
    found: dict[str, list[float]] = {}
    with Caller(plain.port) as ours, Caller(observed.port) as theirs:
        order = [(name, ours, name) for name in ("none", *ALONE)]
        order += [("metrics", theirs, "none"), ("all", theirs, "all"), ("echo", ours, "echo")]
        dice, number, end = random.Random(1), 0, time.monotonic() + seconds
        while number < 5 or time.monotonic() < end:
            number += 1
            times = {}
            for name, caller, function in dice.sample(order, len(order)):
                answer = caller.invoke(function, created(f"pair-{name}-{number}"))
                assert answer.status == 200, answer
                times[name] = answer.seconds * 1000
            for name, spent in times.items():
                base = {"none": "echo", "echo": ""}.get(name, "none")
                found.setdefault(name, []).append(spent - times.get(base, 0.0))
    return {name: median(each) for name, each in found.items()}


def run(size: int, report: Report) -> None:
    """Pair calls for a third of so many seconds, and then load one function for all of them."""
    memory: list[float] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "bucket").mkdir()
        (folder / "bucket" / "cat.jpg").write_bytes(photo((64, 48)))
        endpoint = stack.enter_context(collecting())
        plain, _ = stack.enter_context(running(config(folder, endpoint, observed=False)))
        text = config(folder, endpoint, observed=True)
        instance, _ = stack.enter_context(running(text))
        costs = added(plain, instance, size / 3)
        counts = Counts(instance, endpoint, folder)
        load, pid, end = Load(instance), instance.process.pid, time.monotonic() + size
        with Crowd(CALLERS, load.call):
            while time.monotonic() < end:
                time.sleep(0.25)
                memory.append(processes.rss(pid) / MIB)
                report.progress(f"{memory[-1]:.0f} MiB, {dict(load.seen)}")
        grown = counts.grown(sum(load.seen[kind] for kind in ("new", "again", "wrong")))
        codes = plain.stop(), instance.stop()
    seen = load.seen
    calls = seen["new"] + seen["again"] + seen["wrong"]
    report.figure(f"{calls} calls at {calls / size:.0f} a second, {dict(seen)}")
    report.expect(seen["lost"] + seen["bad"] == 0, f"{seen['lost']} lost, {seen['bad']} bad")
    for what, expected in {"metrics": calls, "spans": calls, "records": seen["new"]}.items():
        report.expect(grown[what] == expected, f"{grown[what]} in {what} of {expected}")
    third = len(memory) // 3
    rise = median(memory[-third:]) - median(memory[third : 2 * third]) if size >= 20 else 0.0
    report.expect(rise <= 5, f"memory {memory[-1]:.0f} MiB, {rise:+.1f} MiB in the last third")
    report.expect(codes == (0, 0), f"exit codes {codes}")
    report.figure("a call in ms: " + ", ".join(f"{n} {v:+.2f}" for n, v in costs.items()))
    report.missed += load.why if report.missed else []


class Counts:
    """What the plugins themselves counted of the function with all of them, from now on."""

    def __init__(self, instance: Instance, endpoint: str, folder: Path) -> None:
        self._of, self._endpoint, self._folder = instance, endpoint, folder
        self._before = self._now()

    def grown(self, expected: int) -> dict[str, int]:
        """Return how many were added; the spans may arrive a moment later."""
        processes.wait_at_most(30, lambda: self._now()["spans"] - self._before["spans"] >= expected)
        now = self._now()
        return {name: now[name] - self._before[name] for name in now}

    def _now(self) -> dict[str, int]:
        page = self._of.call("GET", "/metrics").body.decode()
        name = 'fcplug_invocations_total{function="all",kind="event"} '
        counted = [line for line in page.splitlines() if line.startswith(name)]
        with urllib.request.urlopen(self._endpoint, timeout=60) as answer:
            spans = json.load(answer).get("all", 0)
        with contextlib.closing(sqlite3.connect(self._folder / "records.db")) as store:
            (records,) = store.execute(
                "SELECT count(*) FROM records WHERE state = 'done'"
            ).fetchone()
        metrics = sum(float(line.removeprefix(name)) for line in counted)
        return {"metrics": int(metrics), "spans": spans, "records": records}


BAR = Bar(19, "plugins", "all plugins around one function lose no call", 60, 2, run)
