"""Measure what the middleware costs a call: microseconds, and calls of Python functions.

    python cost.py

All variants take turns in one run, in one process. Each number is the median of the rounds; the
difference to the first row is what the middleware costs.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from fcplug import Context
from fcplug.config import loader
from fcplug.runtime.runtime import Runtime

_ROUNDS, _CALLS = 25, 400
_EVENT = json.dumps(
    {
        "id": "a-1",
        "user": {"name": "Ada", "age": 36},
        "lines": [{"sku": str(number), "count": number + 1} for number in range(5)],
    }
).encode()


class Line(msgspec.Struct):
    """A part of an order."""

    sku: str
    count: int


class Order(msgspec.Struct):
    """An order, as msgspec has it."""

    id: str
    lines: list[Line]


@dataclass
class PlainOrder:
    """An order, as a dataclass."""

    id: str
    lines: list[dict[str, Any]]


def echo(event: bytes) -> bytes:
    """Return the event."""
    return event


def variants() -> dict[str, list[dict[str, Any]]]:
    """Return the middleware of each variant."""

    def validate(**settings: Any) -> list[dict[str, Any]]:
        return [{"name": "validate", "settings": settings}]

    schema = msgspec.json.schema(Order)
    return {
        "without": [],
        "event by schema": validate(schema=schema),
        "event and result by schema": validate(schema=schema, output_schema=schema),
        "event by a msgspec type": validate(type="cost:Order"),
        "event by a dataclass": validate(type="cost:PlainOrder"),
    }


def python_calls(call: Callable[[], object]) -> int:
    """Return how many Python functions one call runs on its own thread."""
    count = 0

    def note(_frame: object, event: str, _given: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


def main() -> None:
    """Measure all variants, and print a table; the log lines of the calls go nowhere."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.modules.setdefault("cost", sys.modules[__name__])
    named = variants()
    functions = {
        f"f{number}": {"handler": "cost:echo", "middleware": given}
        for number, given in enumerate(named.values())
    }
    text = json.dumps({"version": 1, "functions": functions})
    runtime = Runtime(loader.parse(text, "cost.yaml", {}), {})

    def call(name: str) -> None:
        answer = runtime.invoke(_EVENT, Context.from_headers({"x-fc-function-name": name}, {}))
        if answer.error:
            raise answer.error

    calls = [partial(call, name) for name in functions]
    for each in calls:
        each()
    rounds: list[list[float]] = [[] for _ in calls]
    for _ in range(_ROUNDS):
        for each, found in zip(calls, rounds, strict=True):
            begun = time.thread_time()
            for _ in range(_CALLS):
                each()
            found.append((time.thread_time() - begun) / _CALLS * 1e6)
    times = [statistics.median(found) for found in rounds]
    print(f"an event of {len(_EVENT)} bytes", file=out)
    for name, each, spent in zip(named, calls, times, strict=True):
        added = f"+{spent - times[0]:.1f} µs, +{python_calls(each) - python_calls(calls[0])} calls"
        print(f"{name:30} {spent:7.1f} µs   {added}", file=out)


if __name__ == "__main__":
    main()
