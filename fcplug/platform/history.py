"""The latest calls and what came of them, and those who follow what happens."""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from fcplug.platform.model import Call, Happening, Invocation, Outcome

_CALLS = 10_000  # that are kept at most
_BYTES = 128 * 1024 * 1024  # of their events, answers and logs that are kept at most
_UNREAD = 1000  # happenings that a follower may be behind

Kind = Literal["invocation", "instance", "log", "queue", "functions"]


class History:
    """The latest calls. The oldest are dropped once there are too many, or they are too big."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._kept: dict[int, Invocation] = {}
        self._bytes = 0

    def begin(self, call: Call) -> Invocation:
        """Note a call that begins."""
        with self._lock:
            invocation = Invocation(number=next(self._numbers), call=call)
            self._keep(invocation)
            return invocation

    def end(self, invocation: Invocation, outcome: Outcome) -> Invocation:
        """Note what came of a call."""
        ended = msgspec.structs.replace(invocation, outcome=outcome)
        with self._lock:
            if invocation.number in self._kept:
                self._bytes -= _size(invocation)
                self._keep(ended)
        return ended

    def latest(self, function: str | None, limit: int) -> Sequence[Invocation]:
        """Return the latest calls, of one function or of all, newest first."""
        with self._lock:
            newest_first = reversed(tuple(self._kept.values()))
        found = (one for one in newest_first if function in (None, one.call.function))
        return tuple(itertools.islice(found, limit))

    def _keep(self, invocation: Invocation) -> None:
        self._kept[invocation.number] = invocation
        self._bytes += _size(invocation)
        while len(self._kept) > _CALLS or (self._bytes > _BYTES and len(self._kept) > 1):
            self._bytes -= _size(self._kept.pop(next(iter(self._kept))))


def _size(invocation: Invocation) -> int:
    size = len(invocation.call.payload)
    if invocation.outcome is not None:
        size += len(invocation.outcome.body) + len(invocation.outcome.log)
    return size


class Followers:
    """Queues that get everything that happens. A follower that is too slow loses the oldest."""

    def __init__(self) -> None:
        self._queues: tuple[queue.Queue[Happening], ...] = ()
        self._lock = threading.Lock()

    def add(self) -> queue.Queue[Happening]:
        """Return a new queue, which gets what happens from now on."""
        added: queue.Queue[Happening] = queue.Queue(_UNREAD)
        with self._lock:
            self._queues = (*self._queues, added)
        return added

    def remove(self, removed: queue.Queue[Happening]) -> None:
        """Send no more to a queue."""
        with self._lock:
            self._queues = tuple(one for one in self._queues if one is not removed)

    def tell(self, kind: Kind, value: Callable[[], object]) -> None:
        """Send to every queue what happened; ``value`` is made only if somebody follows."""
        if not self._queues:
            return
        happening = Happening(kind, value())
        for one in self._queues:
            while True:
                try:
                    one.put_nowait(happening)
                    break
                except queue.Full:
                    with contextlib.suppress(queue.Empty):
                        one.get_nowait()
