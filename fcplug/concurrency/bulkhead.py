"""Limits how many invocations of a function run at once, and queues the others.

A permit belongs to an invocation, not to a thread. An invocation that is abandoned at its deadline
still runs the handler's code, so it keeps its permit until it has really ended. So never more than
``limit`` are inside, which authors rely on when they set ``concurrency: 1``.

The way of an invocation::

                   a permit is free
    enter() ─┬──────────────────────────────────▶ inside ── leave() ──▶ the first waiter gets the
             │                                      ▲                   permit, or it is free
             ├─ waits in the queue ─ has a permit ──┘
             │     └── deadline: ConcurrencyExceeded
             └─ the queue is full: ConcurrencyExceeded
"""

import threading
import time
from collections import deque
from types import TracebackType

from fcplug.errors import ConcurrencyExceeded


class Bulkhead:
    """At most ``limit`` invocations inside, and at most ``queue`` that wait.

    First come, first served: a permit goes to the first waiter, never to a caller that enters at
    that moment. As a context manager it waits without a deadline.
    """

    def __init__(self, function: str, limit: int, queue: int = 0) -> None:
        self._function = function
        self._limit = limit
        self._queue = queue
        self._lock = threading.Lock()
        # 0 or less while the queue is not empty; less than 0 after resize() below what is inside
        self._free = limit
        self._waiters: deque[threading.Lock] = deque()

    @property
    def inside(self) -> int:
        """How many invocations have a permit."""
        return self._limit - self._free

    @property
    def waiting(self) -> int:
        """How many invocations wait."""
        return len(self._waiters)

    def enter(self, deadline: float | None = None) -> None:
        """Get a permit; wait for it until the deadline, on ``time.monotonic()`` in seconds.

        Raises:
            ConcurrencyExceeded: the queue is full, or the deadline passed in it.
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
        """Return a permit, from any thread, once for every ``enter``.

        Raises:
            ValueError: all permits are free already.
        """
        with self._lock:
            if self._waiters and self._free == 0:
                self._waiters.popleft().release()
            elif self._free < self._limit:
                self._free += 1
            else:
                raise ValueError(f"function '{self._function}': left more often than entered")

    def resize(self, limit: int, queue: int) -> None:
        """Change the limit and the length of the queue.

        Invocations that are inside or wait already stay. If more are inside than the new limit,
        none enters until enough of them have left.
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
        """Leave the queue; return False if a permit was granted in the meantime."""
        with self._lock:
            if granted not in self._waiters:
                return False
            self._waiters.remove(granted)
            return True
