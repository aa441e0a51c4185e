"""How many invocations of a function run at once, and who is next.

A place belongs to an invocation, not to the thread that entered. An invocation abandoned at its
deadline still runs the handler's code, so it keeps its place until it has really ended: at most
``limit`` are inside, always, which is what an author who sets ``concurrency: 1`` counts on.
"""

import threading
import time
from collections import deque
from types import TracebackType

from fcplug.errors import ConcurrencyExceeded


class Bulkhead:
    """At most ``limit`` invocations inside, and a line of at most ``queue`` before them.

    First come, first served: a place that is left goes to the head of the line, never to somebody
    who comes by at that moment. As a context manager it waits without a deadline.
    """

    def __init__(self, function: str, limit: int, queue: int = 0) -> None:
        self._function = function
        self._limit = limit
        self._queue = queue
        self._lock = threading.Lock()
        # never above 0 while somebody waits; below 0 after resize() to fewer than are inside
        self._free = limit
        self._waiters: deque[threading.Lock] = deque()

    @property
    def inside(self) -> int:
        """How many places are taken."""
        return self._limit - self._free

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        return len(self._waiters)

    def enter(self, deadline: float | None = None) -> None:
        """Take a place, waiting in line until the deadline, on ``time.monotonic()`` in seconds.

        Raises:
            ConcurrencyExceeded: the line is full, or the deadline passed in it.
        """
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            if len(self._waiters) >= self._queue:
                raise ConcurrencyExceeded(self._function, self._limit, waiting=len(self._waiters))
            granted = threading.Lock()
            granted.acquire()
            self._waiters.append(granted)
        self._wait(granted, deadline)

    def leave(self) -> None:
        """Give a place back, from any thread, once for every ``enter``.

        Raises:
            ValueError: every place is free already.
        """
        with self._lock:
            if self._waiters and self._free == 0:
                self._waiters.popleft().release()
            elif self._free < self._limit:
                self._free += 1
            else:
                raise ValueError(f"function '{self._function}': left more often than entered")

    def resize(self, limit: int, queue: int) -> None:
        """Change the limit and the queue for whoever enters from now on.

        Those inside and in line stay. With fewer places than are taken, nobody enters until enough
        of them have left.
        """
        with self._lock:
            self._free += limit - self._limit
            self._limit, self._queue = limit, queue
            while self._waiters and self._free > 0:
                self._waiters.popleft().release()
                self._free -= 1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def _wait(self, granted: threading.Lock, deadline: float | None) -> None:
        try:
            if deadline is None:
                granted.acquire()
                return
            left = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
            if granted.acquire(timeout=left):
                return
        except BaseException:
            if not self._leave_queue(granted):
                self.leave()
            raise
        if self._leave_queue(granted):
            raise ConcurrencyExceeded(self._function, self._limit, waiting=self.waiting + 1)

    def _leave_queue(self, granted: threading.Lock) -> bool:
        """Leave the line; False when a place was given at this very moment."""
        with self._lock:
            if granted not in self._waiters:
                return False
            self._waiters.remove(granted)
            return True
