"""Runs an invocation on its own thread, so that its caller waits until the deadline at most.

An invocation that is late is *abandoned*: its caller gets the error at once, and it goes on with
its thread. Its result is dropped. If the thread waits for a coroutine, the coroutine is cancelled,
and usually ends at once.

The states of an invocation. One lock of the ``ThreadPool`` decides between ``ended`` and
``abandoned``::

                 its thread is done: end()
    running ────────────────────────────────▶ ended       the caller gets its outcome
       │                                                  the thread is idle again
       │ the deadline, or the caller is interrupted: abandon()
       ▼
    abandoned ── its thread is done: end() ──▶ dropped    the outcome is logged
                                                          the thread ends

``on_end`` is called once on every way, when the work has really ended.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from fcplug.concurrency.threads import Invocation, InvocationThread, ThreadPool
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError

log = logging.getLogger("fcplug")

_Value = TypeVar("_Value")

_STEP = 0.5  # seconds of a wait in which a freeze is noticed


class DeadlineExecutor:
    """Runs the invocations of one function until their deadlines.

    While ``max_abandoned`` abandoned invocations run, it rejects new ones. Those that run already
    can still be abandoned. In an exhausted process it rejects them while a single one runs.

    With ``awake_only``, time in which the process was frozen does not count. Callers then wake up
    twice a second.

    Attributes:
        max_abandoned: may change at any time.
        abandoned: how many abandoned invocations still run.
        dropped: how many abandoned invocations have ended.
    """

    def __init__(
        self,
        function: str,
        threads: ThreadPool,
        max_abandoned: int = 8,
        *,
        awake_only: bool = False,
    ) -> None:
        self.awake_only = awake_only
        self.abandoned = 0
        self.dropped = 0
        self.function = function
        self._threads = threads
        self.max_abandoned = max_abandoned

    def admit(self) -> None:
        """Check that another invocation may run.

        Raises:
            ConcurrencyExceeded: too many abandoned invocations of the function still run.
        """
        abandoned = self.abandoned
        if abandoned and (abandoned >= self.max_abandoned or self._threads.exhausted):
            raise ConcurrencyExceeded(self.function, self.max_abandoned, abandoned=abandoned)

    def run(
        self,
        work: Callable[[], _Value],
        deadline: float,
        *,
        cancel: Callable[[], None],
        on_end: Callable[[], None],
    ) -> _Value:
        """Run the work on another thread; return its value or raise its error.

        For arguments and errors see ``begin`` and ``Handle.wait``.
        """
        return self.begin(work, deadline, cancel=cancel, on_end=on_end).wait()

    def begin(
        self,
        work: Callable[[], _Value],
        deadline: float,
        *,
        cancel: Callable[[], None],
        on_end: Callable[[], None],
    ) -> "Handle[_Value]":
        """Start the work on another thread, with the caller's context variables.

        Args:
            work: what to run.
            deadline: on ``time.monotonic()``, in seconds.
            cancel: called when the work is abandoned; must not block or raise.
            on_end: called once, when the work has ended, or when it was not started.

        Raises:
            FunctionTimeoutError: the deadline has passed; the work was not started.
            ConcurrencyExceeded: see ``admit``.
            RuntimeError: the system cannot start another thread.
        """
        now = time.monotonic()
        try:
            self._threads.poll(now)
            self.admit()
            if now >= deadline:
                raise FunctionTimeoutError(
                    self.function, 0.0, "its deadline passed before it began"
                )
            thread = self._threads.acquire()
        except BaseException:
            on_end()
            raise
        invocation = Invocation(self, work, on_end)
        ongoing = Handle(self, invocation, thread, deadline, deadline - now, cancel)
        thread.begin(ongoing.invocation)
        return ongoing

    def abandon(self, ongoing: "Handle[Any]") -> bool:
        """Abandon the work and log its stack; return False if it had ended already."""
        thread = ongoing.thread
        if not self._threads.abandon(ongoing.invocation, thread):
            return False
        where = thread.where  # before the cancellation changes it
        ongoing.cancel()
        ongoing.invocation.cancelled = thread.cancel_coroutine()
        log.error(
            "function '%s' did not end by its deadline; thread %s was at:\n%s",
            self.function,
            thread.name,
            where,
        )
        self._threads.check_exhaustion()
        return True


class Handle(Struct, Generic[_Value], frozen=True):
    """A handle to running work; ``limit`` is the seconds from its start to its deadline."""

    owner: DeadlineExecutor
    invocation: Invocation[_Value]
    thread: InvocationThread
    deadline: float
    limit: float
    cancel: Callable[[], None]

    def wait(self) -> _Value:
        """Wait for the work; return its value or raise its error.

        Raises:
            FunctionTimeoutError: the deadline has passed; the work was abandoned.
        """
        try:
            if self.owner.awake_only:
                self._wait_awake()
            else:
                left = max(0.0, self.deadline - time.monotonic())
                self.invocation.done.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        except BaseException:  # the waiting was interrupted
            self.abandon()
            raise
        if not self.invocation.ended and self.abandon():
            raise self.late
        return self.invocation.outcome()

    def _wait_awake(self) -> None:
        left = self.limit
        while left > 0:
            step, begun = min(left, _STEP), time.monotonic()
            if self.invocation.done.acquire(timeout=step):
                return
            if time.monotonic() - begun < 2 * _STEP:  # else the process was frozen
                left -= step

    def abandon(self) -> bool:
        """Abandon the work; return False if it had ended already."""
        return self.invocation.abandoned or self.owner.abandon(self)

    @property
    def late(self) -> FunctionTimeoutError:
        """The error for the caller of abandoned work."""
        then = f"abandoned, it goes on in thread {self.thread.name} until it ends"
        if self.invocation.cancelled:
            then = "its coroutine was cancelled where it awaits"
        return FunctionTimeoutError(self.owner.function, self.limit, then)
