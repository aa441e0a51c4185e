"""Measure what OSS by its SDK costs beside a mounted folder: the import, a call, and memory.

    python cost.py

The variants of a call take turns in one process, against a local OSS in another one; each number is
the median of the rounds. The network to OSS comes on top.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from fcplug import Context
from fcplug_thumbnail import BadImage, Thumbnail
from fcplug_thumbnail.connections import Connections

_HERE = Path(__file__).parent
_ROUNDS, _CALLS, _STARTS = 15, 20, 7
_BIG = 30 * 1024 * 1024
_SERVER = f"""
import sys
from local_oss import LocalOSS, Stored
oss = LocalOSS()
oss.add("ada")
oss.objects["photos/a.png"] = Stored(sys.stdin.buffer.read())
oss.objects["photos/big"] = Stored(bytes({_BIG}))
print(oss.url, flush=True)
"""
_IMPORT = """
import resource, sys, time
import PIL.Image, fcplug.testing  # what is there anyway
def memory(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, begun = memory(), time.process_time()
import {name}
print(1e3 * (time.process_time() - begun), (memory() - before) / 1024, "requests" in sys.modules)
"""


@contextmanager
def local_oss(picture: bytes) -> Iterator[str]:
    """Run a local OSS in a process of its own; give its endpoint."""
    server = subprocess.Popen(  # noqa: S603 - this interpreter and the text above
        [sys.executable, "-c", _SERVER], cwd=_HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if server.stdin and server.stdout:
            server.stdin.write(picture)
            server.stdin.close()
            yield server.stdout.readline().decode().strip()
    finally:
        server.terminate()
        server.wait()


def event(key: str) -> bytes:
    """Return the event of a new object."""
    record = {
        "eventName": "ObjectCreated:PutObject",
        "oss": {"bucket": {"name": "photos"}, "object": {"key": key}},
    }
    return json.dumps({"events": [record]}).encode()


def context() -> Context:
    """Return the context of a call with the credentials of the local OSS."""
    headers = {
        "x-fc-region": "cn-hangzhou",
        "x-fc-access-key-id": "STS.adaKeyId",
        "x-fc-access-key-secret": "adaSecret0123",
        "x-fc-security-token": "adaToken/+=",
    }
    return Context.from_headers(headers, {})


def imported(name: str) -> str:
    """Return what the import of a module takes in a new process."""
    found = []
    for _ in range(_STARTS):
        command = [sys.executable, "-c", _IMPORT.format(name=name)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        found.append(done.stdout.split())
    times, sizes = ([float(row[index]) for row in found] for index in (0, 1))
    return (
        f"{statistics.median(times):.0f} ms of processor, {statistics.median(sizes):.1f} MiB, "
        f"SDK loaded: {found[0][2]}"
    )


def measured(calls: Mapping[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Return the milliseconds and those of processor of each call; they take turns."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            begun, busy = time.perf_counter(), time.process_time()
            for _ in range(_CALLS):
                call()
            spent = (time.perf_counter() - begun, time.process_time() - busy)
            rounds[name].append((spent[0] / _CALLS * 1e3, spent[1] / _CALLS * 1e3))
    return {
        name: (
            statistics.median(row[0] for row in found),
            statistics.median(row[1] for row in found),
        )
        for name, found in rounds.items()
    }


def peak(handler: Thumbnail) -> float:
    """Return the MiB that a call takes for an object of 30 MiB."""
    tracemalloc.start()
    with suppress(BadImage):  # it is no image, so that the reading is all there is
        handler.invoke(event("big"), context())
    found = tracemalloc.get_traced_memory()[1] / 1024 / 1024
    tracemalloc.stop()
    return found


def main() -> None:
    """Measure, and print."""
    show: Callable[[str], Any] = print
    show(f"import fcplug_thumbnail         {imported('fcplug_thumbnail')}")
    show(f"import fcplug_thumbnail.remote  {imported('fcplug_thumbnail.remote')}")
    out = BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    with TemporaryDirectory() as folder, local_oss(out.getvalue()) as url:
        (Path(folder) / "a.png").write_bytes(out.getvalue())
        remote, mounted = Thumbnail(endpoint=url), Thumbnail(mount=folder)
        calls: dict[str, Callable[[], object]] = {
            "an image as the event": partial(mounted.invoke, out.getvalue(), context()),
            "an object, mounted": partial(mounted.invoke, event("a.png"), context()),
            "an object, by the SDK": partial(remote.invoke, event("a.png"), context()),
            "of that the client": partial(Connections().store, context(), url, "", 3),
        }
        for name, (spent, busy) in measured(calls).items():
            show(f"{name:31} {spent:.2f} ms, {busy:.2f} ms of processor")
        show(f"an object of 30 MiB             {peak(remote):.0f} MiB of memory")
        remote.pre_stop()


if __name__ == "__main__":
    main()
