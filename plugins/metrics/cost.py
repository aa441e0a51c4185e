"""Measure what the observer costs a call: microseconds, and calls of Python functions.

    python cost.py

All variants take turns in one run, in one process. Each number is the median of the rounds; the
difference to the first row is what the observer costs.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from fcplug.testing import Runner

_ROUNDS, _CALLS = 60, 20


def echo(event: bytes) -> bytes:
    """Return the event."""
    return event


def runner(observers: list[Any]) -> Runner:
    """Return a runner of a function that is observed."""
    functions = {"echo": {"handler": f"{__name__}:echo"}}
    runtime = {"observers": observers}
    return Runner.from_text(json.dumps({"version": 1, "runtime": runtime, "functions": functions}))


def measure(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Return the microseconds of each call, which take turns."""
    rounds: list[list[float]] = [[] for _ in calls]
    for _ in range(_ROUNDS):
        for call, found in zip(calls, rounds, strict=True):
            begun = time.perf_counter()
            for _ in range(_CALLS):
                call()
            found.append((time.perf_counter() - begun) / _CALLS * 1e6)
    return [statistics.median(found) for found in rounds]


def python_calls(call: Callable[[], object]) -> int:
    """Return how many Python functions one call runs, on the new thread that it gets."""
    count = 0

    def note(_frame: object, event: str, _given: object) -> None:
        nonlocal count
        count += event == "call"

    threading.setprofile(note)
    try:
        call()
    finally:
        threading.setprofile(None)
    return count


def main() -> None:
    """Measure all variants, and print a table."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        in_files = {"name": "metrics", "settings": {"folder": folder}}
        named: dict[str, list[Any]] = {
            "without": [],
            "one process": ["metrics"],
            "several processes": [in_files],
        }
        calls: list[Callable[[], object]] = []
        for observers in named.values():
            each = stack.enter_context(runner(observers))
            calls.append(partial(each.invoke, "echo", b"x"))
            calls[-1]()
        times, counts = measure(calls), [python_calls(call) for call in calls]
    for name, spent, count in zip(named, times, counts, strict=True):
        added = f"+{spent - times[0]:.0f} µs, +{count - counts[0]} calls"
        print(f"{name:20} {spent:6.0f} µs {count:5} calls   {added}")  # noqa: T201


if __name__ == "__main__":
    main()
