"""A pool of threads that answer requests."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("fcplug.server")

Job = Callable[[], None]


class PendingRequest(Protocol):
    """A connection whose first request is complete."""

    def service(self) -> None:
        """Answer the request."""


class PooledThread:
    """One thread of the pool, as the others see it: they assign its next job."""

    def __init__(self) -> None:
        self._assigned = threading.Lock()  # locked while there is no job
        self._assigned.acquire()
        self._job: Job | None = None

    def assign(self, job: Job | None) -> None:
        """Wake the thread for a job; None ends it. Only while it has no other job."""
        self._job = job
        self._assigned.release()

    def next_job(self) -> Job | None:
        """Wait for a job; None means that the thread ends."""
        self._assigned.acquire()
        return self._job


class Dispatcher:
    """Answers requests in daemon threads, in the order in which the requests came.

    Threads are started when there is work and no idle one. The thread that went idle last gets the
    next request, because its data is still in the processor's caches.

    Args:
        name: begins the names of the threads.
        limit: requests answered at the same time.
        other: threads beyond that, for jobs that are not requests.

    Attributes:
        answering: how many requests are being answered.
    """

    def __init__(self, name: str, limit: int, *, other: int = 0) -> None:
        self.limit = limit
        self.answering = 0
        self._name = name
        self._max_threads = limit + other
        self._lock = threading.Lock()
        self._queue: deque[PendingRequest] = deque()
        self._idle: list[PooledThread] = []
        self._threads = 0
        self._started = 0
        self._stopping = False
        self._ended = threading.Condition(self._lock)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered or waits for a thread."""
        return self.answering > 0 or bool(self._queue)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return len(self._queue)

    def add_task(self, task: PendingRequest) -> None:
        """Queue a request; it is answered at once if a thread is free."""
        with self._lock:
            self._queue.append(task)
            self._assign_waiting()

    def stop(self) -> bool:
        """Empty the queue and end the idle threads; return whether all threads are gone."""
        with self._lock:
            self._stopping = True
            self._queue.clear()
            while self._idle:
                self._idle.pop().assign(None)
            return self._ended.wait_for(lambda: not self._threads, timeout=0.1)

    def _assign_waiting(self) -> None:
        """Assign queued requests to idle or new threads; the lock is held."""
        while self._queue and self.answering < self.limit and (thread := self._free_thread()):
            self.answering += 1
            thread.assign(self._queue.popleft().service)

    def _free_thread(self) -> PooledThread | None:
        """Return an idle thread or a new one; None if neither is possible. The lock is held."""
        if self._idle:
            return self._idle.pop()
        if self._threads >= self._max_threads or self._stopping:
            return None
        pooled = PooledThread()
        name = f"{self._name}-{self._started}"
        thread = threading.Thread(target=self._work, args=(pooled,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system allows no more threads
            if not self._threads:
                raise
            return None
        self._threads += 1
        self._started += 1
        return pooled

    def _work(self, thread: PooledThread) -> None:
        """Run jobs until one is None: the body of each thread."""
        while job := thread.next_job():
            self._run(job)
            while more := self._next_request(thread):
                self._run(more)
        with self._lock:
            self._threads -= 1
            self._ended.notify_all()

    def _run(self, job: Job) -> None:
        try:
            job()
        except BaseException as error:
            log.error("a thread's work failed", exc_info=error)

    def _next_request(self, thread: PooledThread) -> Job | None:
        """Count an answer as given; return the next request's, or make the thread idle."""
        with self._lock:
            self.answering -= 1
            if self._queue and self.answering < self.limit:
                self.answering += 1
                return self._queue.popleft().service
            if self._stopping:
                thread.assign(None)
            else:
                self._idle.append(thread)
            return None
