"""Measure what the middleware costs a call with each store: time, and calls of Python functions.

    python cost.py

It starts a ``redis-server`` if there is one, and the stand-in of Tablestore that the tests use. All
variants take turns in one run, in one process. Each number is the median of all calls. The
processor time is that of the calling thread: the servers, and the wait for disk or network, are not
in it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from fcplug import Context
from fcplug.config import loader
from fcplug.runtime.runtime import Runtime

_ROUNDS = 300
_STAND_IN = Path(__file__).parent / "tests" / "tablestore_stand_in.py"
_KEYS = {
    "x-fc-access-key-id": "id",
    "x-fc-access-key-secret": "secret",
    "x-fc-security-token": "token",
}


class Variant(NamedTuple):
    """A function, and whether its calls have keys of their own."""

    name: str
    function: str
    fresh: bool


def echo(event: bytes) -> bytes:
    """Return the event."""
    return event


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - own text
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


def stores(stack: ExitStack, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the setting of each store."""
    yield "SQLite", str(folder / "records.db")
    if program := shutil.which("redis-server"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        stack.enter_context(
            running(program, "--port", str(port), "--save", "", "--dir", str(folder))
        )
        yield "Redis", f"redis://127.0.0.1:{port}/0"
    service = stack.enter_context(running(sys.executable, str(_STAND_IN), *_KEYS.values()))
    port_of = service.stdout.readline().strip() if service.stdout else ""
    make_table(f"http://127.0.0.1:{port_of}")
    yield "Tablestore", f"tablestore+http://127.0.0.1:{port_of}/records?instance=shop"


def make_table(endpoint: str) -> None:
    """Make the table of the stand-in."""
    from tablestore import (  # noqa: PLC0415 - takes a second
        CapacityUnit,
        OTSClient,
        ReservedThroughput,
        TableMeta,
        TableOptions,
    )

    client = OTSClient(endpoint, "id", "secret", "shop", sts_token="token")  # noqa: S106
    meta = TableMeta("records", [("key", "STRING")])
    client.create_table(meta, TableOptions(), ReservedThroughput(CapacityUnit(0, 0)))


def python_calls(call: Callable[[], object]) -> int:
    """Return how many Python functions one call runs on its own thread."""
    number = 0

    def note(_frame: object, event: str, _given: object) -> None:
        nonlocal number
        number += event == "call"

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return number


def main() -> None:
    """Measure all variants, and print a table; the log lines of the calls go nowhere."""
    out = os.fdopen(os.dup(1), "w")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        named = dict(stores(stack, folder))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        functions: dict[str, object] = {"without": {"handler": "cost:echo"}}
        for name, store in named.items():
            middleware = [{"name": "idempotency", "settings": {"store": store}}]
            functions[name] = {"handler": "cost:echo", "middleware": middleware}
        text = json.dumps({"version": 1, "functions": functions})
        runtime = Runtime(loader.parse(text, "cost.yaml", {}), {})
        ids = count()

        def call(variant: Variant) -> None:
            request_id = f"1-{next(ids)}" if variant.fresh else "1-same"
            headers = {"x-fc-function-name": variant.function, "x-fc-request-id": request_id}
            answer = runtime.invoke(b"x", Context.from_headers({**headers, **_KEYS}, {}))
            if answer.error:
                raise answer.error

        variants = [Variant("without", "without", fresh=False)]
        for name in named:
            variants.append(Variant(f"{name}, first call of a key", name, fresh=True))
            variants.append(Variant(f"{name}, repeated call", name, fresh=False))
        measure_and_print(variants, call, out.write)


def measure_and_print(
    variants: list[Variant], call: Callable[[Variant], None], write: Callable[[str], object]
) -> None:
    """Let all variants take turns, and print their medians."""
    for _ in range(3):
        for variant in variants:
            call(variant)
    spent: list[list[tuple[float, float]]] = [[] for _ in variants]
    for _ in range(_ROUNDS):
        for variant, found in zip(variants, spent, strict=True):
            begun, used = time.perf_counter(), time.thread_time()
            call(variant)
            found.append((time.perf_counter() - begun, time.thread_time() - used))
    base: tuple[float, float, int] | None = None
    for variant, found in zip(variants, spent, strict=True):
        took, used = (statistics.median(column) * 1000 for column in zip(*found, strict=True))
        calls = python_calls(lambda: call(variant))  # noqa: B023 - it is called at once
        base = base or (took, used, calls)
        write(
            f"{variant.name:32} {took:6.2f} ms, +{took - base[0]:6.2f} ms, of which "
            f"+{used - base[1]:5.2f} ms processor, +{calls - base[2]} calls\n"
        )


if __name__ == "__main__":
    sys.modules.setdefault("cost", sys.modules[__name__])
    main()
