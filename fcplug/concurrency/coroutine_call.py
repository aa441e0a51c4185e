"""One coroutine on the event loop, and the thread that waits for it.

The states of a call. The loop's thread makes all changes, except for the start::

                            ┌── the coroutine returns or raises ──────────────┐
    waiting ── _begin() ──▶ running ── _cancel() ──▶ cancelled: it cleans up ──▶ ended
       │                                                                         ▲
       └── _cancel() ──▶ cancelled ── _begin() ──▶ cancelled before its first step

A thread of ``WaitingThread`` can be cancelled by another thread, at any time:

- during a call: the call is cancelled, and the thread goes on with its error;
- between two calls: the next one is cancelled before its first step.
"""

import inspect
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from traceback import StackSummary
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fcplug.process.forks import end_forked_child, fork_counter

if TYPE_CHECKING:
    import asyncio

CHECK_INTERVAL = 1.0  # seconds between two checks whether the loop runs

_Value = TypeVar("_Value")

current_function: ContextVar[str] = ContextVar("fcplug_function", default="")


class Loop(Protocol):
    """What a call needs of the event loop."""

    @property
    def loop(self) -> "asyncio.AbstractEventLoop":
        """The asyncio loop, running."""

    def poll(self) -> None:
        """Check whether the loop is blocked."""

    def running(self) -> tuple[str, StackSummary]:
        """Return whose code the loop runs now, and its stack."""


class WaitingThread(threading.Thread):
    """A thread whose coroutine another thread can cancel, once and for all later ones."""

    _call: "CoroutineCall[Any] | None" = None
    _cancelled = False

    def cancel_coroutine(self) -> bool:
        """Cancel the coroutine that the thread waits for; return whether there is one.

        Call it from another thread. A second call changes nothing.
        """
        self._cancelled = True
        call = self._call
        if call:
            call.cancel()
        return call is not None

    def set_awaited(self, call: "CoroutineCall[Any] | None") -> None:
        """Set the call that the thread waits for; None if it waits for no call."""
        self._call = call
        if call and self._cancelled:  # checked last: this or ``cancel_coroutine`` sees both values
            call.cancel()

    def coroutine_stack(self) -> StackSummary | None:
        """Return the stack of the coroutine that the thread waits for, or None."""
        call = self._call
        return call.stack() if call else None


class CoroutineCall(Generic[_Value]):
    """One coroutine on the loop, and the thread that waits for its end.

    ``other`` returns a task that the coroutine waits for, whose stack says more than its own.
    """

    def __init__(
        self,
        event_loop: Loop,
        coroutine: Coroutine[Any, Any, _Value],
        function: str,
        other: "Callable[[], asyncio.Task[Any] | None]",
    ) -> None:
        self._event_loop = event_loop
        self._loop = event_loop.loop
        self._coroutine = coroutine
        self._function = function
        self._other = other
        self._forks = fork_counter.forks
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._ended = threading.Lock()
        self._ended.acquire()
        self._value: _Value
        self._error: BaseException | None = None

    def wait(self) -> _Value:
        """Run the coroutine on the loop, and return or raise what it does."""
        self._loop.call_soon_threadsafe(self._begin)
        try:
            while not self._ended.acquire(timeout=CHECK_INTERVAL):
                self._event_loop.poll()
        except BaseException:  # the waiting was interrupted
            self.cancel()
            raise
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            self._error = None  # its traceback has this frame: a reference cycle

    def cancel(self) -> None:
        """Cancel the coroutine, from any thread; a second call does not disturb its clean-up."""
        self._loop.call_soon_threadsafe(self._cancel)

    def stack(self) -> StackSummary:
        """Return the stack of the suspended coroutine, else of what the loop runs now."""
        other = self._other()
        awaited: Any = other.get_coro() if other else self._coroutine
        if inspect.getcoroutinestate(awaited) != inspect.CORO_SUSPENDED:
            return self._event_loop.running()[1]
        frames: list[tuple[FrameType, int]] = []
        while frame := getattr(awaited, "cr_frame", None):
            frames.append((frame, frame.f_lineno))
            awaited = awaited.cr_await
        return StackSummary.extract(iter(frames))

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._end)
        if self._cancelled:
            self._task.cancel()

    def _cancel(self) -> None:
        if self._task and not self._cancelled:
            self._task.cancel()
        self._cancelled = True

    async def _run(self) -> None:
        """Keep the coroutine's error as a value: asyncio would end the loop on SystemExit."""
        current_function.set(self._function)
        try:
            self._value = await self._coroutine
        except BaseException as error:
            self._error = error
        if fork_counter.forks != self._forks:
            end_forked_child(self._error)

    def _end(self, task: "asyncio.Task[None]") -> None:
        try:
            task.result()
        except BaseException as error:  # cancelled before its first step
            self._coroutine.close()
            self._error = error
        self._ended.release()
