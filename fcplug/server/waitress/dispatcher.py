"""The threads that answer requests."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("fcplug.server")


class Task(Protocol):
    """A connection whose first request is complete."""

    def service(self) -> None:
        """Answer the request."""


class Seat:
    """Where a thread waits for what it is to do next."""

    def __init__(self) -> None:
        self._called = threading.Lock()
        self._called.acquire()
        self._what: Callable[[], None] | None = None

    def call(self, what: Callable[[], None] | None) -> None:
        """Have the thread do something; None ends it. Once only, until it waits again."""
        self._what = what
        self._called.release()

    def wait(self) -> Callable[[], None] | None:
        """Wait to be called."""
        self._called.acquire()
        return self._what


class Dispatcher:
    """Daemon threads that answer requests, first come first served; none is ever started in vain.

    The thread that went idle last is called first: what it works with is still at hand in the
    processor. At most ``limit`` requests are answered at once, by at most as many threads, plus
    those that have ``other`` things to do.

    Attributes:
        answering: how many requests are being answered.
    """

    def __init__(self, name: str, limit: int, *, other: int = 0) -> None:
        self.limit = limit
        self._name = name
        self._most = limit + other
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._idle: list[Seat] = []
        self._threads = 0
        self._started = 0
        self.answering = 0
        self._stopping = False
        self._ended = threading.Condition(self._lock)

    @property
    def busy(self) -> bool:
        """Whether any request is being answered, or waits for a thread."""
        return self.answering > 0 or bool(self._queue)

    @property
    def waiting(self) -> int:
        """How many requests no thread has taken yet."""
        return len(self._queue)

    def add_task(self, task: Task) -> None:
        """Have a request answered: at once if a thread is free, else in its turn."""
        with self._lock:
            self._queue.append(task)
            self._call_threads()

    def stop(self) -> bool:
        """Drop who waits in line, end the idle threads; tell whether all of them are gone."""
        with self._lock:
            self._stopping = True
            self._queue.clear()
            while self._idle:
                self._idle.pop().call(None)
            return self._ended.wait_for(lambda: not self._threads, timeout=0.1)

    def _call_threads(self) -> None:
        """Give what waits to idle threads, or to new ones; the lock is held."""
        while self._queue and self.answering < self.limit and (seat := self._free_seat()):
            self.answering += 1
            seat.call(self._queue.popleft().service)

    def _free_seat(self) -> Seat | None:
        if self._idle:
            return self._idle.pop()
        if self._threads >= self._most or self._stopping:
            return None
        seat = Seat()
        name = f"{self._name}-{self._started}"
        thread = threading.Thread(target=self._work, args=(seat,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has none left
            if not self._threads:
                raise
            return None
        self._threads += 1
        self._started += 1
        return seat

    def _work(self, seat: Seat) -> None:
        while what := seat.wait():
            self._do(what)
            while more := self._next(seat):
                self._do(more)
        with self._lock:
            self._threads -= 1
            self._ended.notify_all()

    def _do(self, what: Callable[[], None]) -> None:
        try:
            what()
        except BaseException as error:
            log.error("a thread's work failed", exc_info=error)

    def _next(self, seat: Seat) -> Callable[[], None] | None:
        """Return the next request's answering; None when there is none, and the seat is idle."""
        with self._lock:
            self.answering -= 1
            if self._queue and self.answering < self.limit:
                self.answering += 1
                return self._queue.popleft().service
            if self._stopping:
                seat.call(None)
            else:
                self._idle.append(seat)
            return None
