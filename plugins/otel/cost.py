"""Measure what the middleware costs a call: microseconds, and calls of Python functions.

    python cost.py

All variants take turns in one run, in one process, against a collector in another one. Each number
is the median of the rounds; the difference to the first row is what the middleware costs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from fcplug.testing import Runner

_ROUNDS, _CALLS = 30, 20
_COLLECTOR = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    def log_message(self, *_): ...
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def echo(event: bytes) -> bytes:
    """Return the event."""
    return event


def variants(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return the middleware of each variant."""

    def otel(**settings: Any) -> list[dict[str, Any]]:
        return [{"name": "otel", "settings": {"endpoint": url, **settings}}]

    return {
        "without": [],
        "recorded, exported beside": otel(export="background"),
        "all exported before the answer": otel(export="invocation"),
        "only traces, exported before the answer": otel(export="invocation", signals=["traces"]),
    }


def runner(middleware: list[dict[str, Any]]) -> Runner:
    """Return a runner of a function with this middleware."""
    functions = {"echo": {"handler": f"{__name__}:echo", "middleware": middleware}}
    return Runner.from_text(json.dumps({"version": 1, "functions": functions}))


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
    collector = subprocess.Popen(  # noqa: S603 - this interpreter and the text above
        [sys.executable, "-c", _COLLECTOR], stdout=subprocess.PIPE, text=True
    )
    try:
        port = collector.stdout.readline().strip() if collector.stdout else ""
        named = variants(f"http://127.0.0.1:{port}")
        with ExitStack() as stack:
            calls: list[Callable[[], object]] = []
            for middleware in named.values():
                each = stack.enter_context(runner(middleware))
                calls.append(partial(each.invoke, "echo", b"x"))
                calls[-1]()
            times, counts = measure(calls), [python_calls(call) for call in calls]
    finally:
        collector.terminate()
        collector.wait()
    for name, spent, count in zip(named, times, counts, strict=True):
        added = f"+{spent - times[0]:.0f} µs, +{count - counts[0]} calls"
        print(f"{name:42} {spent:7.0f} µs {count:5} calls   {added}")  # noqa: T201


if __name__ == "__main__":
    main()
