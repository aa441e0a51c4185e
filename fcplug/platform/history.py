"""The latest calls and what came of them, and those who follow what happens."""

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from fcplug.platform.model import Call, Happening, Invocation, LogLine, Outcome

_CALLS = 10_000  # that are kept at most
_BYTES = 128 * 1024 * 1024  # of their events, answers and logs that are kept at most
_LINES = 10_000  # of the log that are kept at most
_LINE_BYTES = 16 * 1024 * 1024  # of these lines that are kept at most
_UNREAD = 1000  # happenings that a follower may be behind
_UNREAD_BYTES = 128 * 1024 * 1024  # of their content that it may be behind

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
            invocation = Invocation(number=next(self._numbers), call=call, begun=time.time())
            self._keep(invocation)
            return invocation

    def end(self, invocation: Invocation, outcome: Outcome) -> Invocation:
        """Note what came of a call."""
        ended = msgspec.structs.replace(invocation, outcome=outcome, ended=time.time())
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


class Log:
    """The latest lines that instances wrote, at most 10,000 and 16 MB of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._lines: deque[LogLine] = deque()
        self._bytes = 0

    def add(self, line: LogLine) -> LogLine:
        """Keep a line, and return it with its number."""
        with self._lock:
            line = msgspec.structs.replace(line, number=next(self._numbers))
            self._lines.append(line)
            self._bytes += len(line.text)
            while len(self._lines) > _LINES or self._bytes > _LINE_BYTES:
                self._bytes -= len(self._lines.popleft().text)
            return line

    def lines(self) -> Sequence[LogLine]:
        """Return the lines, oldest first."""
        with self._lock:
            return tuple(self._lines)


class Happenings(queue.Queue[Happening]):
    """What a follower has not read yet. If that is too much, the oldest is lost.

    Attributes:
        lost: how many happenings were lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self._bytes = 0

    def offer(self, happening: Happening) -> None:
        """Add a happening, in place of the oldest ones if need be."""
        with self.mutex:
            self._put(happening)
            while self._qsize() > _UNREAD or (self._bytes > _UNREAD_BYTES and self._qsize() > 1):
                self._get()
                self.lost += 1
            self.not_empty.notify()

    def _put(self, item: Happening) -> None:
        super()._put(item)
        self._bytes += _weight(item)

    def _get(self) -> Happening:
        happening = super()._get()
        self._bytes -= _weight(happening)
        return happening


def _weight(happening: Happening) -> int:
    value = happening.value
    if isinstance(value, LogLine):
        return len(value.text)
    return _size(value) if isinstance(value, Invocation) else 0


class Followers:
    """Queues that get everything that happens. A follower that is too slow loses the oldest."""

    def __init__(self) -> None:
        self._queues: tuple[Happenings, ...] = ()
        self._lock = threading.Lock()

    def add(self) -> Happenings:
        """Return a new queue, which gets what happens from now on."""
        added = Happenings()
        with self._lock:
            self._queues = (*self._queues, added)
        return added

    def remove(self, removed: object) -> None:
        """Send no more to a queue."""
        with self._lock:
            self._queues = tuple(one for one in self._queues if one is not removed)

    def tell(self, kind: Kind, value: Callable[[], object]) -> None:
        """Send to every queue what happened; ``value`` is made only if somebody follows."""
        if not self._queues:
            return
        happening = Happening(kind, value())
        for one in self._queues:
            one.offer(happening)
