"""The threads that answer requests."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("fcplug.server")


class PendingRequest(Protocol):
    """A connection whose first request is complete."""

    def service(self) -> None:
        """Answer the request."""


class PooledThread:
    """Where a thread waits for what it is to do next."""

    def __init__(self) -> None:
        self._assigned = threading.Lock()
        self._assigned.acquire()
        self._job: Callable[[], None] | None = None

    def assign(self, job: Callable[[], None] | None) -> None:
        """Have the thread do something; None ends it. Once only, until it waits again."""
        self._job = job
        self._assigned.release()

    def next_job(self) -> Callable[[], None] | None:
        """Wait to be called."""
        self._assigned.acquire()
        return self._job


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
        self._max_threads = limit + other
        self._lock = threading.Lock()
        self._queue: deque[PendingRequest] = deque()
        self._idle: list[PooledThread] = []
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

    def add_task(self, task: PendingRequest) -> None:
        """Have a request answered: at once if a thread is free, else in its turn."""
        with self._lock:
            self._queue.append(task)
            self._assign_waiting()

    def stop(self) -> bool:
        """Drop who waits in line, end the idle threads; tell whether all of them are gone."""
        with self._lock:
            self._stopping = True
            self._queue.clear()
            while self._idle:
                self._idle.pop().assign(None)
            return self._ended.wait_for(lambda: not self._threads, timeout=0.1)

    def _assign_waiting(self) -> None:
        """Give what waits to idle threads, or to new ones; the lock is held."""
        while self._queue and self.answering < self.limit and (pooled := self._free_thread()):
            self.answering += 1
            pooled.assign(self._queue.popleft().service)

    def _free_thread(self) -> PooledThread | None:
        if self._idle:
            return self._idle.pop()
        if self._threads >= self._max_threads or self._stopping:
            return None
        pooled = PooledThread()
        name = f"{self._name}-{self._started}"
        thread = threading.Thread(target=self._work, args=(pooled,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has none left
            if not self._threads:
                raise
            return None
        self._threads += 1
        self._started += 1
        return pooled

    def _work(self, pooled: PooledThread) -> None:
        while job := pooled.next_job():
            self._run(job)
            while more := self._next(pooled):
                self._run(more)
        with self._lock:
            self._threads -= 1
            self._ended.notify_all()

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            log.error("a thread's work failed", exc_info=error)

    def _next(self, pooled: PooledThread) -> Callable[[], None] | None:
        """Return the next request's answering; None when there is none, and the pooled is idle."""
        with self._lock:
            self.answering -= 1
            if self._queue and self.answering < self.limit:
                self.answering += 1
                return self._queue.popleft().service
            if self._stopping:
                pooled.assign(None)
            else:
                self._idle.append(pooled)
            return None
