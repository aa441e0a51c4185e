"""Deadlines that are kept: an invocation runs on a thread of its own, its caller waits no longer.

Nothing ends a Python thread from outside: exceptions thrown into one skip ``finally`` blocks and
wake no blocking call. So an invocation that is late is *abandoned*: its caller gets the error at
once, while the thread goes on until it ends by itself, is counted until then, and serves nobody
else. What it returns or raises by then is dropped.
"""

import contextvars
import itertools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError
from fcplug.result import error_type_of, is_own_file

log = logging.getLogger("fcplug")

_LOOK = 1.0  # seconds between two looks at the processor time of abandoned threads

_Value = TypeVar("_Value")


class Threads:
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
        self._idle: list[_Thread] = []
        self._abandoned: set[_Thread] = set()
        self._looked = 0.0

    @property
    def idle(self) -> int:
        """How many threads wait for work."""
        return len(self._idle)

    @property
    def abandoned(self) -> int:
        """How many abandoned invocations still run."""
        return len(self._abandoned)

    def look(self, now: float) -> None:
        """Find out whether the process is exhausted; at most one real look a second.

        ``now`` is ``time.monotonic()``. Every invocation with a deadline looks; a server whose
        functions have none may, at each turn of its loop.
        """
        if self._abandoned and now - self._looked >= _LOOK:
            self._looked = now
            self.judge()

    def judge(self) -> None:
        """Tell ``on_exhausted`` if the process is exhausted and nobody was told yet."""
        with self._lock:  # no thread of the set ends meanwhile: its clock can be read
            count = len(self._abandoned)
            seconds = sum(thread.cpu() - thread.cpu_before for thread in self._abandoned)
            worn = count >= self._max_abandoned or seconds >= self._max_cpu
            if not worn or self.exhausted:
                return
            self.exhausted = True
        log.error(
            "%d abandoned invocations still run, with %.1f s of processor time: "
            "this process should be replaced",
            count,
            seconds,
        )
        self._on_exhausted()

    def lend(self) -> "_Thread":
        """Return a thread that nobody else has.

        Raises:
            RuntimeError: the system has no thread left to give.
        """
        try:
            return self._idle.pop()
        except IndexError:
            thread = _Thread(self, f"deadline-{next(self._numbers)}")
            thread.start()
            return thread

    def abandon(self, invocation: "_Invocation[Any]", thread: "_Thread") -> bool:
        """Give an invocation up; False when it has ended, so that its outcome counts."""
        with self._lock:
            if invocation.ended:
                return False
            invocation.abandoned = True
            invocation.owner.abandoned += 1
            thread.cpu_before = thread.cpu()
            self._abandoned.add(thread)
        return True

    def end(self, invocation: "_Invocation[Any]", thread: "_Thread") -> bool:
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

    def dismiss(self, thread: "_Thread") -> bool:
        """Let an idle thread end; False when it was lent out at this very moment."""
        try:
            self._idle.remove(thread)
        except ValueError:
            return False
        return True


class Deadlines:
    """Runs the invocations of one function, each until its deadline.

    From ``max_abandoned`` abandoned invocations on, new ones are refused; those that run at that
    moment may still add to them. In an exhausted process one is enough.

    Attributes:
        abandoned: how many abandoned invocations still run.
        dropped: how many have ended since, their outcome unheard.
    """

    def __init__(self, function: str, threads: Threads, max_abandoned: int = 8) -> None:
        self.abandoned = 0
        self.dropped = 0
        self.function = function
        self._threads = threads
        self._max_abandoned = max_abandoned

    def admit(self) -> None:
        """Refuse an invocation of a function that does not end those it has.

        Raises:
            ConcurrencyExceeded: too many of them were abandoned and still run.
        """
        abandoned = self.abandoned
        if abandoned and (abandoned >= self._max_abandoned or self._threads.exhausted):
            raise ConcurrencyExceeded(self.function, self._max_abandoned, abandoned=abandoned)

    def run(
        self,
        work: Callable[[], _Value],
        deadline: float,
        *,
        cancel: Callable[[], None],
        on_end: Callable[[], None],
    ) -> _Value:
        """Do the work in a thread of its own and return its value; whatever it raises is raised.

        The work sees the caller's context variables. Either its outcome counts or it is
        abandoned, never both.

        Args:
            work: what to do.
            deadline: on ``time.monotonic()``, in seconds.
            cancel: called when the work is abandoned, to tell it so; must not block or raise.
            on_end: called once, when the work has ended, however late, or will never begin.

        Raises:
            FunctionTimeoutError: the deadline has passed; the work goes on, or never began.
            ConcurrencyExceeded: see ``admit``.
            RuntimeError: the system has no thread left to give.
        """
        now = time.monotonic()
        try:
            self._threads.look(now)
            self.admit()
            if now >= deadline:
                raise FunctionTimeoutError(
                    self.function, 0.0, "its deadline passed before it began"
                )
            thread = self._threads.lend()
        except BaseException:
            on_end()
            raise
        invocation = _Invocation(self, work, on_end)
        try:
            thread.begin(invocation)
            invocation.done.acquire(timeout=min(deadline - now, threading.TIMEOUT_MAX))
        except BaseException:  # the waiting was interrupted
            self._abandon(invocation, thread, cancel)
            raise
        if not invocation.ended and self._abandon(invocation, thread, cancel):
            then = f"abandoned, it goes on in thread {thread.name} until it ends"
            raise FunctionTimeoutError(self.function, deadline - now, then)
        return invocation.outcome()

    def _abandon(
        self, invocation: "_Invocation[Any]", thread: "_Thread", cancel: Callable[[], None]
    ) -> bool:
        if not self._threads.abandon(invocation, thread):
            return False
        cancel()
        log.error(
            "function '%s' was not done at its deadline; thread %s was at:\n%s",
            self.function,
            thread.name,
            _stack(thread),
        )
        self._threads.judge()
        return True


class _Invocation(Generic[_Value]):
    """One piece of work, on its way from its caller to a thread and back."""

    def __init__(
        self, owner: Deadlines, work: Callable[[], _Value], on_end: Callable[[], None]
    ) -> None:
        self.owner = owner
        self.ended = self.abandoned = False
        self.done = threading.Lock()
        self.done.acquire()
        self._context = contextvars.copy_context()
        self._work = work
        self._on_end = on_end
        self._value: _Value
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            try:
                self._value = self._context.run(self._work)
            finally:
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


class _Thread(threading.Thread):
    """A thread that answers one invocation after the other, until it is abandoned or idle."""

    def __init__(self, threads: Threads, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.cpu_before = 0.0
        self._threads = threads
        self._wake = threading.Lock()
        self._wake.acquire()
        self._given: _Invocation[Any] | None = None
        self._clock: int | None = None

    def begin(self, invocation: _Invocation[Any]) -> None:
        self._given = invocation
        self._wake.release()

    def cpu(self) -> float:
        """Return the processor time used so far, in seconds; 0 where the system cannot tell."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def run(self) -> None:
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        while self._wait() and self._answer():
            pass

    def _wait(self) -> bool:
        if self._wake.acquire(timeout=self._threads.idle_limit):
            return True
        return not self._threads.dismiss(self) and self._wake.acquire()

    def _answer(self) -> bool:
        """Answer the invocation given; False when it had been abandoned."""
        invocation, self._given = self._given, None
        assert invocation  # noqa: S101 - given before the wake-up
        invocation.run()
        if self._threads.end(invocation, self):
            invocation.done.release()
            return True
        invocation.drop()
        return False


def _stack(thread: _Thread) -> str:
    """Return where a thread is: the author's frames, without locals."""
    frames = traceback.extract_stack(sys._current_frames().get(thread.ident or 0))
    ours = [number for number, frame in enumerate(frames) if frame.filename == __file__]
    inner = frames[ours[-1] + 1 :] if ours else []
    theirs = [frame for frame in inner if not is_own_file(frame.filename)]
    if not theirs:
        return "  no line of the function's own code"
    return "".join(traceback.StackSummary.from_list(theirs).format()).rstrip()
