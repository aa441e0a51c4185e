"""The functions that tests of instances under granian call, found by name in a code folder."""

import ctypes
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fcplug import hookimpl


def echo(event: bytes, context: Any) -> bytes:
    """Answer with the event."""
    return event


def waiting(event: bytes, context: Any) -> str:
    """Say that it runs, and wait until the file that the event names is there."""
    gate = Path(event.decode())
    gate.with_suffix(f".{context.request_id}").touch()
    while not gate.exists():
        time.sleep(0.01)
    return "waited"


def hanging(event: bytes, context: Any) -> None:
    """Hold the GIL for longer than any test lasts."""
    ctypes.PyDLL(None).sleep(600)


class Hooked:
    """Says which hook runs in which process."""

    @hookimpl
    def initialize(self) -> None:
        print("initialized in", os.getpid())

    @hookimpl
    def invoke(self) -> int:
        return os.getpid()

    @hookimpl
    def pre_stop(self) -> None:
        print("stopped in", os.getpid())


def web(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by the path."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path.startswith("/environ"):
        texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        return [json.dumps(texts).encode()]
    return Stream(path, Path(query))


class Stream(Iterator[bytes]):
    """A body made chunk by chunk: when a file is there, without end, or until it fails."""

    def __init__(self, path: str, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._made = 0

    def __next__(self) -> bytes:
        self._made += 1
        with (self._folder / "made").open("a") as made:
            made.write(".")
        if self._path == "/endless":
            return b"x" * 100_000
        if self._made == 3:
            if self._path == "/failing":
                raise ValueError("no third part")
            raise StopIteration
        while self._made == 2 and not (self._folder / "second").exists():
            time.sleep(0.01)
        return f"part {self._made},".encode()

    def close(self) -> None:
        (self._folder / "closed").touch()
