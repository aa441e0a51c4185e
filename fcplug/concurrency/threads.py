"""The threads that run invocations with a deadline, including abandoned ones.

A Python thread cannot be ended from outside: an exception that is thrown into it skips ``finally``
blocks and does not interrupt a blocking call. So the thread of an abandoned invocation goes on
until the invocation ends. Until then it is counted, and it runs nothing else.

The states of a thread::

    idle ── acquire(), begin() ──▶ runs an invocation ── it ended ──▶ idle
     │                                │
     │ idle_limit: retire()           │ it was abandoned
     ▼                                ▼
    ends                           abandoned ── the invocation ended ──▶ ends
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

from fcplug.concurrency.coroutine_call import WaitingThread
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.result import error_type_of, user_frames

log = logging.getLogger("fcplug")

_CHECK_INTERVAL = 1.0  # seconds between two checks of the processor time of abandoned threads

_Value = TypeVar("_Value")


class Owner(Protocol):
    """The function of an invocation, and its counts of abandoned and of dropped ones."""

    function: str
    abandoned: int
    dropped: int


class ThreadPool:
    """The threads of the whole process that run invocations with a deadline.

    A thread starts when no other is idle. The one that was used last is used next, and one without
    work ends after a while.

    Args:
        on_exhausted: called once, when this process should be replaced, on the thread that noticed
            it; must not block or raise.
        max_abandoned: so many abandoned invocations that still run exhaust the process.
        max_cpu: so many seconds of processor time exhaust it, too: used by all of them together
            since they were abandoned, which slows down the other invocations.
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
        """Check whether the process is exhausted, at most once a second.

        ``now`` is ``time.monotonic()``. Every invocation with a deadline calls this.
        """
        if self._abandoned and now - self._checked_at >= _CHECK_INTERVAL:
            self._checked_at = now
            self.check_exhaustion()

    def check_exhaustion(self) -> None:
        """Call ``on_exhausted`` if the process is exhausted, the first time."""
        with self._lock:  # no thread of the set can end now, so all clocks can be read
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
        """Return an idle thread, or a new one.

        Raises:
            RuntimeError: the system cannot start another thread.
        """
        try:
            return self._idle.pop()
        except IndexError:
            thread = InvocationThread(self, f"deadline-{next(self._numbers)}")
            thread.start()
            return thread

    def abandon(self, invocation: "Invocation[Any]", thread: "InvocationThread") -> bool:
        """Mark an invocation as abandoned; return False if it has ended already."""
        with self._lock:
            if invocation.ended:
                return False
            invocation.abandoned = True
            invocation.owner.abandoned += 1
            thread.cpu_before = thread.cpu()
            self._abandoned.add(thread)
        return True

    def end(self, invocation: "Invocation[Any]", thread: "InvocationThread") -> bool:
        """Mark an invocation as ended; return False if it was abandoned before."""
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
        """Remove an idle thread; return False if it was acquired in the meantime."""
        try:
            self._idle.remove(thread)
        except ValueError:
            return False
        return True

    def close(self) -> None:
        """End the idle threads; an abandoned thread ends with its invocation."""
        while self._idle:
            thread = self._idle.pop()
            thread.finish()
            thread.join()
        self.idle_limit = 0.0  # not before: a thread that ends by itself is joined by nobody


class Invocation(Generic[_Value]):
    """One piece of work, passed from its caller to a thread and back."""

    def __init__(
        self, owner: Owner, work: Callable[[], _Value], on_end: Callable[[], None]
    ) -> None:
        self.owner = owner
        self.ended = self.abandoned = False
        self.cancelled = False  # abandoned while it waited for a coroutine, which is cancelled
        self.done = threading.Lock()
        self.done.acquire()
        self._context = contextvars.copy_context()
        self._forks = fork_counter.forks
        self._work = work
        self._on_end = on_end
        self._value: _Value
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run the work, and keep what it returned or raised."""
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
        """Return the value of the work or raise its error; call it once."""
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            self._error = None  # its traceback has this frame: a reference cycle

    def drop(self) -> None:
        """Log the outcome of an abandoned invocation, with its request id."""
        how = "returned" if self._error is None else f"raised {error_type_of(self._error)}"
        self._error = None
        self._context.run(
            log.warning, "function '%s', abandoned before, has now %s", self.owner.function, how
        )


class InvocationThread(WaitingThread):
    """A thread that runs one invocation after the other, until one is abandoned or it is idle."""

    def __init__(self, threads: ThreadPool, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.cpu_before = 0.0
        self._threads = threads
        self._wake = threading.Lock()
        self._wake.acquire()
        self._next: Invocation[Any] | None = None
        self._clock: int | None = None

    def begin(self, invocation: Invocation[Any]) -> None:
        """Run an invocation."""
        self._next = invocation
        self._wake.release()

    def finish(self) -> None:
        """End, instead of running an invocation."""
        self._wake.release()

    def cpu(self) -> float:
        """Return the processor time used so far, in seconds; 0 where it cannot be read."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    @property
    def where(self) -> str:
        """The stack of the thread or of the coroutine it waits for; frames of user code only."""
        frames = self.coroutine_stack()
        if not frames:
            frames = traceback.extract_stack(sys._current_frames().get(self.ident or 0))
            ours = [number for number, frame in enumerate(frames) if frame.filename == __file__]
            del frames[: ours[-1] + 1 if ours else None]
        return user_frames(frames)

    def run(self) -> None:
        """Run invocations until there is none for a while or one was abandoned."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        while self._wait() and self._run_next():
            pass

    def _wait(self) -> bool:
        if self._wake.acquire(timeout=self._threads.idle_limit):
            return True
        return not self._threads.retire(self) and self._wake.acquire()

    def _run_next(self) -> bool:
        """Run the next invocation; return False if it was abandoned, or there is none."""
        invocation, self._next = self._next, None
        if invocation is None:
            return False
        invocation.run()
        if self._threads.end(invocation, self):
            invocation.done.release()
            return True
        invocation.drop()
        return False
