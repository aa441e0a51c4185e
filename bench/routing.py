"""What routes on content, and shadows, cost a call, beside the same configuration without them.

``python bench/routing.py`` calls a runtime in this process, without a socket. It prints processor
time and Python calls of one event, of the thread that answers, and the time of events of 32 MB.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fcplug.config import loader
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime

MIB = 1024 * 1024
ROUNDS, CALLS = 9, 1000
BIG_CALLS = 5

FUNCTIONS = {name: {"handler": "builtins:len"} for name in ("orders", "other", "plain")}
FIELDS = [{"event": {"detail.type": f"type{n}"}} for n in range(3)]
MATCHES: dict[str, list[dict[str, object]]] = {
    "no routes": [],
    "3 routes on names": [{"function": f"f{n}"} for n in range(3)],
    "3 routes on a header": [{"header": {"x-tenant": f"t{n}"}} for n in range(3)],
    "3 routes on a field of the event": [{**match} for match in FIELDS],
    "the same, of another function": [{"function": "other", **match} for match in FIELDS],
}
SHADOWS = {
    "a shadow of 1 %, an event not copied": {"to": "other", "share": 1},
    "a shadow of 100 %": {"to": "other"},
}
EVENT = json.dumps(
    {
        "id": "1",
        "source": "acme",
        "items": [{"sku": f"{n}", "count": n} for n in range(10)],
        "detail": {"type": "order.created", "user": "ada"},
    }
).encode()
BIG = {
    "text": json.dumps({"pad": "x" * 31 * MIB, "detail": {"type": "a"}}).encode(),
    "small numbers": b'{"pad": [' + b"1," * (15 * MIB) + b'1], "detail": {"type": "a"}}',
}


def runtime_of(matches: list[dict[str, object]], shadow: object = None) -> Runtime:
    routes = [{"match": match, "to": "other"} for match in matches]
    functions = {**FUNCTIONS, "plain": {"handler": "builtins:len", "shadow": shadow}}
    text = json.dumps({"version": 1, "functions": functions, "routes": routes})
    return Runtime(loader.parse(text, "bench", {}), {})


def call(runtime: Runtime, event: bytes, number: int = 1) -> None:
    headers = {"x-fc-function-name": "plain", "x-fc-request-id": f"r-{number}", "x-tenant": "t9"}
    answer = runtime.invoke(event, Context.from_headers(headers, {}))
    assert answer.error is None, answer.body


def microseconds(runtime: Runtime, event: bytes, calls: int) -> float:
    """Return the processor time of one call; copies of the event end before the next call."""
    took = 0.0
    for number in range(calls):
        started = time.thread_time()
        call(runtime, event, number)
        took += time.thread_time() - started
        runtime.pre_freeze(Context.from_headers({}, {}))
    return took / calls * 1e6


@contextmanager
def counted() -> Iterator[list[str]]:
    names: list[str] = []

    def note(frame: FrameType, kind: str, _: object) -> None:
        if kind == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(None)


def main() -> None:
    """Print the figures; the log lines of the calls go nowhere."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    runtimes = {name: runtime_of(matches) for name, matches in MATCHES.items()}
    runtimes |= {name: runtime_of([], entry) for name, entry in SHADOWS.items()}
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for runtime in runtimes.values():
        microseconds(runtime, EVENT, CALLS)
    for _ in range(ROUNDS):
        for name, runtime in runtimes.items():
            times[name].append(microseconds(runtime, EVENT, CALLS))
    print(f"one event of {len(EVENT)} bytes{'':13} median      best   Python calls", file=out)
    for name, each in times.items():
        with counted() as names:
            call(runtimes[name], EVENT)
        runtimes[name].pre_freeze(Context.from_headers({}, {}))
        row = f"{statistics.median(each):8.2f} us {min(each):6.2f} us {len(names):8}"
        print(f"  {name:36}{row}", file=out)
    for kind, event in BIG.items():
        for name in ("no routes", "3 routes on a field of the event"):
            took = microseconds(runtimes[name], event, BIG_CALLS) / 1000
            print(f"an event of {len(event) // MIB} MB of {kind}, {name}: {took:.1f} ms", file=out)


if __name__ == "__main__":
    main()
