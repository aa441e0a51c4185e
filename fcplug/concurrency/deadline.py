"""Deadlines that are kept: an invocation runs on a thread of its own, its caller waits no longer.

An invocation that is late is *abandoned*: its caller gets the error at once, while it goes on and
keeps its thread. What it returns or raises by then is dropped. A coroutine that the thread waits
for is cancelled, and so usually ends at once.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fcplug.concurrency.threads import Invocation, InvocationThread, ThreadPool
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError

log = logging.getLogger("fcplug")

_Value = TypeVar("_Value")


class DeadlineExecutor:
    """Runs the invocations of one function, each until its deadline.

    From ``max_abandoned`` abandoned invocations on, new ones are refused; those that run at that
    moment may still add to them. In an exhausted process one is enough.

    Attributes:
        max_abandoned: may change at any time.
        abandoned: how many abandoned invocations still run.
        dropped: how many have ended since, their outcome unheard.
    """

    def __init__(self, function: str, threads: ThreadPool, max_abandoned: int = 8) -> None:
        self.abandoned = 0
        self.dropped = 0
        self.function = function
        self._threads = threads
        self.max_abandoned = max_abandoned

    def admit(self) -> None:
        """Refuse an invocation of a function that does not end those it has.

        Raises:
            ConcurrencyExceeded: too many of them were abandoned and still run.
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
        """Do the work in a thread of its own and return its value; whatever it raises is raised.

        Either its outcome counts or it is abandoned, never both. Takes and raises what ``begin``
        and ``Handle.wait`` do.
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
        """Begin the work in a thread of its own; it sees the caller's context variables.

        Args:
            work: what to do.
            deadline: on ``time.monotonic()``, in seconds.
            cancel: called when the work is abandoned, to tell it so; must not block or raise.
            on_end: called once, when the work has ended, however late, or will never begin.

        Raises:
            FunctionTimeoutError: the deadline has passed, the work never began.
            ConcurrencyExceeded: see ``admit``.
            RuntimeError: the system has no thread left to give.
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
        """Give work up, and tell where it was; False when it has ended: its outcome counts."""
        thread = ongoing.thread
        if not self._threads.abandon(ongoing.invocation, thread):
            return False
        where = thread.where  # before it hears of it
        ongoing.cancel()
        ongoing.invocation.cancelled = thread.cancel_coroutine()
        log.error(
            "function '%s' was not done at its deadline; thread %s was at:\n%s",
            self.function,
            thread.name,
            where,
        )
        self._threads.check_exhaustion()
        return True


@dataclass(frozen=True)
class Handle(Generic[_Value]):
    """Work that has begun, for whoever waits for it; ``limit`` is the seconds it was given."""

    owner: DeadlineExecutor
    invocation: Invocation[_Value]
    thread: InvocationThread
    deadline: float
    limit: float
    cancel: Callable[[], None]

    def wait(self) -> _Value:
        """Return or raise what the work did.

        Raises:
            FunctionTimeoutError: the deadline has passed; the work goes on.
        """
        left = max(0.0, self.deadline - time.monotonic())
        try:
            self.invocation.done.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        except BaseException:  # the waiting was interrupted
            self.abandon()
            raise
        if not self.invocation.ended and self.abandon():
            raise self.late
        return self.invocation.outcome()

    def abandon(self) -> bool:
        """Give the work up; False when it has ended, so that its outcome counts."""
        return self.invocation.abandoned or self.owner.abandon(self)

    @property
    def late(self) -> FunctionTimeoutError:
        """What to tell whoever waited."""
        then = f"abandoned, it goes on in thread {self.thread.name} until it ends"
        if self.invocation.cancelled:
            then = "its coroutine was cancelled where it awaits"
        return FunctionTimeoutError(self.owner.function, self.limit, then)
