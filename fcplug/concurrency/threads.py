"""The threads that invocations with a deadline run on, those that are abandoned among them.

Nothing ends a Python thread from outside: exceptions thrown into one skip ``finally`` blocks and
wake no blocking call. So an invocation that is late is *abandoned*: its thread goes on until it
ends by itself, is counted until then, and serves nobody else.
"""

import contextvars
import itertools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from fcplug.concurrency.event_loop import WaitingThread
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.result import error_type_of, user_frames

log = logging.getLogger("fcplug")

_CHECK_INTERVAL = 1.0  # seconds between two looks at the processor time of abandoned threads

_Value = TypeVar("_Value")


class Owner(Protocol):
    """Whose invocations they are: how many were abandoned and run, how many of these ended."""

    function: str
    abandoned: int
    dropped: int


class ThreadPool:
    """The threads that invocations with a deadline run on, one set for the whole process.

    Made when none is idle; the last one used is the next, and one that has had no work for a
    while ends.

    Args:
        on_exhausted: called once, when this process should be replaced; on the thread that found
            out: it must neither block nor raise.
        max_abandoned: this many abandoned invocations that still run exhaust the process.
        max_cpu: so does this much processor time, in seconds, that all of these have used since
            they were abandoned: they slow down everybody else.
        idle_limit: seconds without work after which a thread ends.
    """

    def __init__(
        self,
        on_exhausted: Callable[[], None],
        *,
        max_abandoned: int = 32,
        max_cpu: float = 2.0,
        idle_limit: float = 60.0,
    ) -> None:
        self.exhausted = False
        self.idle_limit = idle_limit
        self._on_exhausted = on_exhausted
        self._max_abandoned = max_abandoned
        self._max_cpu = max_cpu
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._idle: list[InvocationThread] = []
        self._abandoned: set[InvocationThread] = set()
        self._checked_at = 0.0

    @property
    def idle(self) -> int:
        """How many threads wait for work."""
        return len(self._idle)

    @property
    def abandoned(self) -> int:
        """How many abandoned invocations still run."""
        return len(self._abandoned)

    def poll(self, now: float) -> None:
        """Find out whether the process is exhausted; at most one real look a second.

        ``now`` is ``time.monotonic()``. Every invocation with a deadline looks; a server whose
        functions have none may, at each turn of its loop.
        """
        if self._abandoned and now - self._checked_at >= _CHECK_INTERVAL:
            self._checked_at = now
            self.check_exhaustion()

    def check_exhaustion(self) -> None:
        """Tell ``on_exhausted`` if the process is exhausted and nobody was told yet."""
        with self._lock:  # no thread of the set ends meanwhile: its clock can be read
            count = len(self._abandoned)
            seconds = sum(thread.cpu() - thread.cpu_before for thread in self._abandoned)
            exhausted = count >= self._max_abandoned or seconds >= self._max_cpu
            if not exhausted or self.exhausted:
                return
            self.exhausted = True
        log.error(
            "%d abandoned invocations still run, with %.1f s of processor time: "
            "this process should be replaced",
            count,
            seconds,
        )
        self._on_exhausted()

    def acquire(self) -> "InvocationThread":
        """Return a thread that nobody else has.

        Raises:
            RuntimeError: the system has no thread left to give.
        """
        try:
            return self._idle.pop()
        except IndexError:
            thread = InvocationThread(self, f"deadline-{next(self._numbers)}")
            thread.start()
            return thread

    def abandon(self, invocation: "Invocation[Any]", thread: "InvocationThread") -> bool:
        """Give an invocation up; False when it has ended, so that its outcome counts."""
        with self._lock:
            if invocation.ended:
                return False
            invocation.abandoned = True
            invocation.owner.abandoned += 1
            thread.cpu_before = thread.cpu()
            self._abandoned.add(thread)
        return True

    def end(self, invocation: "Invocation[Any]", thread: "InvocationThread") -> bool:
        """Note that an invocation has ended; False when nobody waits for its outcome any more."""
        with self._lock:
            if not invocation.abandoned:
                invocation.ended = True
                self._idle.append(thread)
                return True
            invocation.owner.abandoned -= 1
            invocation.owner.dropped += 1
            self._abandoned.discard(thread)
            return False

    def retire(self, thread: "InvocationThread") -> bool:
        """Let an idle thread end; False when it was lent out at this very moment."""
        try:
            self._idle.remove(thread)
        except ValueError:
            return False
        return True

    def close(self) -> None:
        """End the idle threads; one that is abandoned ends when its invocation does."""
        while self._idle:
            thread = self._idle.pop()
            thread.finish()
            thread.join()
        self.idle_limit = 0.0  # not before: a thread that ends by itself is joined by nobody


class Invocation(Generic[_Value]):
    """One piece of work, on its way from its caller to a thread and back."""

    def __init__(
        self, owner: Owner, work: Callable[[], _Value], on_end: Callable[[], None]
    ) -> None:
        self.owner = owner
        self.ended = self.abandoned = False
        self.cancelled = False  # abandoned while it waited for a coroutine, which was cancelled
        self.done = threading.Lock()
        self.done.acquire()
        self._context = contextvars.copy_context()
        self._forks = fork_counter.forks
        self._work = work
        self._on_end = on_end
        self._value: _Value
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do the work, and keep what it returned or raised."""
        try:
            self._value = self._context.run(self._work)
        except BaseException as error:
            self._error = error
        if fork_counter.forks != self._forks:
            end_forked_child(self._error)
        try:
            self._on_end()
        except BaseException as error:
            self._error = error

    def outcome(self) -> _Value:
        """Return or raise what the work did; once."""
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            self._error = None  # it knows this frame: they would keep each other alive

    def drop(self) -> None:
        """Tell the log, in the name of the invocation, of an outcome that nobody waited for."""
        how = "returned" if self._error is None else f"raised {error_type_of(self._error)}"
        self._error = None
        self._context.run(
            log.warning, "function '%s', abandoned before, has now %s", self.owner.function, how
        )


class InvocationThread(WaitingThread):
    """A thread that answers one invocation after the other, until it is abandoned or idle."""

    def __init__(self, threads: ThreadPool, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.cpu_before = 0.0
        self._threads = threads
        self._wake = threading.Lock()
        self._wake.acquire()
        self._given: Invocation[Any] | None = None
        self._clock: int | None = None

    def begin(self, invocation: Invocation[Any]) -> None:
        """Wake up to an invocation."""
        self._given = invocation
        self._wake.release()

    def finish(self) -> None:
        """Wake up to nothing, and so end."""
        self._wake.release()

    def cpu(self) -> float:
        """Return the processor time used so far, in seconds; 0 where the system cannot tell."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    @property
    def where(self) -> str:
        """Where it is now, or the coroutine that it waits for: the author's frames only."""
        frames = self.coroutine_stack()
        if not frames:
            frames = traceback.extract_stack(sys._current_frames().get(self.ident or 0))
            ours = [number for number, frame in enumerate(frames) if frame.filename == __file__]
            del frames[: ours[-1] + 1 if ours else None]
        return user_frames(frames)

    def run(self) -> None:
        """Answer what is given, until nothing is for a while or something was abandoned."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        while self._wait() and self._answer():
            pass

    def _wait(self) -> bool:
        if self._wake.acquire(timeout=self._threads.idle_limit):
            return True
        return not self._threads.retire(self) and self._wake.acquire()

    def _answer(self) -> bool:
        """Answer the invocation given; False when it had been abandoned, or there is none."""
        invocation, self._given = self._given, None
        if invocation is None:
            return False
        invocation.run()
        if self._threads.end(invocation, self):
            invocation.done.release()
            return True
        invocation.drop()
        return False
