"""Workers of one function for a test, and processes and files to check afterwards."""

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fcplug.config.loader import parse
from fcplug.context import Context
from fcplug.workers import Workers, WorkerSettings
from support.waiting import wait_until

CODE = Path(__file__).parents[1] / "code"
NAME = "isolated"
PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


@contextlib.contextmanager
def isolated(
    handler: str = "worker_functions:act",
    entry: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    **given: Any,
) -> Iterator[Workers]:
    """Yield the workers of a function, with its other keys and settings; end all of them."""
    functions = {NAME: {"handler": handler, **(entry or {})}}
    text = json.dumps({"version": 1, "functions": functions})
    config = parse(text, "functions.yaml", environ or {})
    names = WorkerSettings.__struct_fields__
    settings = WorkerSettings(**{key: given.pop(key) for key in names if key in given})
    workers = Workers(replace(config.functions[NAME], **given), config.document, settings)
    with contextlib.closing(workers):
        yield workers
        processes = {worker.pid for worker in workers._pool.loaded}
    assert not [pid for pid in processes if runs(pid)]


def call(headers: Mapping[str, str] | None = None) -> Context:
    """Return the context of a call."""
    return Context.from_headers({"x-fc-request-id": "the-call", **(headers or {})}, {})


def act(workers: Workers, event: str | bytes, seconds: float = PATIENCE) -> bytes:
    """Let the workers answer an event within some seconds."""
    event = event.encode() if isinstance(event, str) else event
    return workers.invoke(event, call().for_function({}, seconds))


def runs(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not re.search(r"^State:\s+[ZX]", status, re.MULTILINE)


def all_at_once(workers: Workers, gate: Path) -> set[int]:
    """Start every worker there may be, each with a call; return the processes."""
    calls = [
        Background(lambda: act(workers, f"wait_for {gate}"))
        for _ in range(workers._spec.workers or 1)
    ]
    wait_until(lambda: len(workers._pool.loaded) == len(calls) and not workers._pool._idle)
    gate.touch()
    return {int(ongoing.outcome()) for ongoing in calls}


class Background(threading.Thread):
    """A call on a thread of its own, and its outcome."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error

    def outcome(self) -> Any:
        """Return what the call returned, or raise what it raised."""
        self.join(PATIENCE)
        assert not self.is_alive(), "the call did not end"
        if self._error:
            raise self._error
        return self._value


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
