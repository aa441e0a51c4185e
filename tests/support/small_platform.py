"""A platform whose functions are Python functions: what the API and the queue need of one.

As a program it serves the API over the queue of a folder, and prints its port:
``python small_platform.py FOLDER``. Its function ``record`` then notes each run in ``ran.txt``.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fcplug.platform.api import ApiServer, create_app
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.history import Followers, Happenings, History, Log
from fcplug.platform.model import (
    Call,
    Client,
    Destinations,
    FunctionConfig,
    Happening,
    InstanceInfo,
    Invocation,
    LogLine,
    Outcome,
)

Function = Callable[[Call], Outcome]


class SmallPlatform:
    """Implements ``Platform``; ``calls`` it ran and ``happenings`` it got, both in order."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[Call] = []
        self.happenings: list[Happening] = []
        self._history, self._log, self._followers = History(), Log(), Followers()
        self.functions: dict[str, FunctionConfig] = {}
        self._run: dict[str, Function] = {}
        self._folder = folder
        self.add("echo", lambda call: answer(call.payload))
        self.add("fails", lambda _: failure())
        self.add("broken", lambda _: Outcome(status=412, code="CAExited", message="it exited"))
        self.add("site", site, headers="2.0", service="web")
        self.add("site3", site)

    def add(self, name: str, run: Function, **config: object) -> None:
        """Add a function, or put it in place of another."""
        values = {"max_instances": 64, **config}
        self.functions[name] = FunctionConfig(name=name, folder=self._folder, **values)  # type: ignore[arg-type]
        self._run[name] = run

    def invoke(self, call: Call, client: Client | None = None) -> Outcome:
        """Run one call to its end."""
        self.calls.append(call)
        begun = self._history.begin(call)
        outcome = self._run[call.function](call)
        ended = self._history.end(begun, outcome)
        self._followers.tell("invocation", lambda: ended)
        return outcome

    def instances(self) -> Sequence[InstanceInfo]:
        """Return none: it has none."""
        return ()

    def invocations(self, function: str | None = None, limit: int = 100) -> Sequence[Invocation]:
        """Return the latest calls, newest first."""
        return self._history.latest(function, limit)

    def log_lines(self) -> Sequence[LogLine]:
        """Return the lines that ``write`` got."""
        return self._log.lines()

    def write(self, function: str, text: str, *request_ids: str) -> None:
        """Write a line as an instance of a function does."""
        line = LogLine(function=function, instance_id="c-1", request_ids=request_ids, text=text)
        line = self._log.add(msgspec.structs.replace(line, at=time.time()))
        self._followers.tell("log", lambda: line)

    def subscribe(self) -> Happenings:
        """Return a queue that gets what happens from now on."""
        return self._followers.add()

    def unsubscribe(self, followed: object) -> None:
        """Send no more to a queue that ``subscribe`` returned."""
        self._followers.remove(followed)

    def tell(self, happening: Happening) -> None:
        """Note what the queue sends to those who follow."""
        self.happenings.append(happening)


def answer(body: bytes) -> Outcome:
    """Return the outcome of a function that succeeded."""
    return Outcome(
        body=body, log=b"FC Invoke Start\n", duration_ms=1.25, memory_mb=9.5, instance_id="c-1"
    )


def failure() -> Outcome:
    """Return the outcome of a function that raised."""
    return Outcome(
        body=b'{"errorMessage": "no", "errorType": "ValueError"}',
        error_type="UnhandledInvocationError",
        log=b"Traceback\n",
    )


def site(call: Call) -> Outcome:
    """Answer a web request with what came."""
    text = f"{call.method} {call.target} {call.payload.decode()}"
    fields = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    return Outcome(status=201, body=text.encode(), headers=fields)


@contextmanager
def serving(
    platform: SmallPlatform, folder: Path, keys: Mapping[str, str] | None = None
) -> Iterator[tuple[int, AsyncQueue]]:
    """Serve the API over a platform, and give its port and its queue."""
    queue = AsyncQueue(platform, folder / "queue.db", pause=0.01)
    server = ApiServer(create_app(platform, queue, keys or {}), 0)
    try:
        yield server.port, queue
    finally:
        server.close()
        queue.close()


def main(folder: Path) -> None:
    """Serve until it is killed."""
    ran = os.open(folder / "ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def record(call: Call) -> Outcome:
        os.write(ran, f"{call.payload.decode()} {call.retry}\n".encode())
        time.sleep(0.002)  # so that a kill comes in the middle of calls
        os.write(ran, f"{call.payload.decode()} {call.retry} done\n".encode())
        return answer(call.payload)

    platform = SmallPlatform(folder)
    platform.add("record", record, destinations=Destinations())
    with serving(platform, folder) as (port, _queue):
        print(port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
