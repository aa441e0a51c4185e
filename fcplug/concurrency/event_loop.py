"""One event loop for every ``async def`` hook of the process, and the threads that wait on it.

Unlike a thread, a coroutine can be ended from outside, where it awaits. So when nobody waits for a
thread any more, the coroutine that it waits for is cancelled, and the thread ends with it.
"""

import functools
import inspect
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from traceback import StackSummary, walk_stack
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fcplug.process.forks import call_in_child, end_forked_child, fork_counter
from fcplug.result import user_frames

if TYPE_CHECKING:
    import asyncio
    import selectors

_CHECK_INTERVAL = 1.0  # seconds between two looks at whether the loop turns
_MISSES = 2  # looks in a row that found it did not; a freeze of the instance spoils one

_HANDLE = ("asyncio.events", "_run")  # of a Handle: what the loop runs, and in which context

_Value = TypeVar("_Value")

_function: ContextVar[str] = ContextVar("fcplug_function", default="")


class EventLoop:
    """An asyncio loop on a thread of its own, started when the first coroutine needs it.

    One loop for all, so that what ``initialize`` opened is good for ``invoke``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="fcplug-event-loop", daemon=True)
        self._checked_at = 0.0
        self._turned = True
        self._misses = 0
        self._selector: selectors.BaseSelector | None = None
        self._closing = False
        call_in_child(self._leave_to_parent)

    @property
    def loop(self) -> "asyncio.AbstractEventLoop":
        """The asyncio loop, running."""
        with self._lock:
            if self._loop is None:
                import asyncio  # not for those who have no coroutines  # noqa: PLC0415
                import selectors  # noqa: PLC0415

                # the runtime's own kind, whatever policy user code sets
                self._selector = selectors.DefaultSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
                self._thread.start()
            return self._loop

    def synchronous(
        self, function: Callable[..., Coroutine[Any, Any, Any]], name: str = ""
    ) -> Callable[..., Any]:
        """Return a plain function with the same signature that waits for the coroutine's end.

        ``name`` is what ``functions.yaml`` calls the function that it belongs to.
        """

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.run(function(*args, **kwargs), name)

        return call

    def complete(self, result: Any, name: str = "") -> Any:
        """Return a result; one that is awaitable is awaited first.

        A plain function may return a coroutine: a decorator that is not async has wrapped it.
        """
        if not hasattr(type(result), "__await__"):
            return result
        return self.run(_awaited(result), name)

    def completing(self, function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        """Return a plain function with the same signature that completes its result."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.complete(function(*args, **kwargs), name)

        return call

    def run(
        self,
        coroutine: Coroutine[Any, Any, _Value],
        name: str = "",
        task: "Callable[[], asyncio.Task[Any] | None]" = lambda: None,
    ) -> _Value:
        """Run a coroutine to its end and return its value; whatever it raises is raised.

        It sees the caller's context variables. It is cancelled if the waiting is interrupted, or
        if the caller is a ``WaitingThread`` that nobody waits for any more. ``task`` tells of
        another one that it waits for in turn, whose stack says more.
        """
        call = _CoroutineCall(self, coroutine, name, task)
        thread = threading.current_thread()
        if not isinstance(thread, WaitingThread):
            return call.wait()
        thread.set_awaited(call)
        try:
            return call.wait()
        finally:
            thread.set_awaited(None)

    def poll(self) -> None:
        """Tell the log of code that keeps the loop from turning; at most one real look a second."""
        now = time.monotonic()
        with self._lock:
            if self._loop is None or now - self._checked_at < _CHECK_INTERVAL:
                return
            self._checked_at = now
            if self._turned:
                self._turned, self._misses = False, 0
                self._loop.call_soon_threadsafe(self._note_turn)
                return
            self._misses += 1
            if self._misses != _MISSES:
                return
        function, stack = self.running()
        logging.getLogger("fcplug").error(
            "function '%s' blocks the event loop: all coroutines of this process wait until it "
            "awaits. Run what blocks with asyncio.to_thread. It is at:\n%s",
            function,
            user_frames(stack),
        )

    def running(self) -> tuple[str, StackSummary]:
        """Return whose code the loop runs at this moment, and its stack; empty if it is idle."""
        frames: list[tuple[FrameType, int]] = []
        for frame, line in walk_stack(sys._current_frames().get(self._thread.ident or 0)):
            if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _HANDLE:
                function: str = frame.f_locals["self"]._context.get(_function, "")
                return function, StackSummary.extract(reversed(frames))
            frames.append((frame, line))
        return "", StackSummary()

    def close(self, limit: float) -> bool:
        """Cancel what runs on the loop, and end it; False if that took ``limit`` seconds.

        Nothing can be run afterwards. A process that serves never needs this: it ends as a whole.
        """
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                return True
            self._loop.call_soon_threadsafe(self._begin_close)
        self._thread.join(limit)
        return not self._thread.is_alive()

    def _begin_close(self) -> None:
        assert self._loop  # noqa: S101 - it runs this
        self._closing_task = self._loop.create_task(self._close())  # kept: asyncio would not

    async def _close(self) -> None:
        import asyncio  # noqa: PLC0415 - imported by the loop already

        assert self._loop  # noqa: S101 - it runs this
        try:
            tasks = asyncio.all_tasks() - {self._closing_task}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_CHECK_INTERVAL)
            await self._loop.shutdown_asyncgens()
        finally:
            self._closing = True
            self._loop.stop()

    def _note_turn(self) -> None:
        self._turned = True

    def _run(self) -> None:
        """Run the loop for ever: a task that exits, or stops it, must not hang everyone else."""
        forks = fork_counter.forks
        while self._loop and not self._loop.is_closed():
            if self._closing:
                self._loop.close()
                return
            try:
                with suppress(SystemExit, KeyboardInterrupt):
                    self._loop.run_forever()
            finally:
                if fork_counter.forks != forks:
                    end_forked_child(None)

    def _leave_to_parent(self) -> None:
        """Close a forked child's copy of what tells the loop of events: they are the parent's."""
        if self._selector:
            self._selector.close()


class WaitingThread(threading.Thread):
    """A thread that may hear that nobody waits for it any more.

    The coroutine that it waits for by then is cancelled, once; none is begun afterwards.
    """

    _call: "_CoroutineCall[Any] | None" = None
    _cancelled = False

    def cancel_coroutine(self) -> bool:
        """Cancel the coroutine that the thread waits for; return whether there is one.

        To be called from another thread. A second call changes nothing.
        """
        self._cancelled = True
        call = self._call
        if call:
            call.cancel()
        return call is not None

    def set_awaited(self, call: "_CoroutineCall[Any] | None") -> None:
        """Note what the thread waits for from now on."""
        self._call = call
        if call and self._cancelled:  # in this order: either this or ``cancel_coroutine`` sees both
            call.cancel()

    def coroutine_stack(self) -> StackSummary | None:
        """Return where the coroutine is that the thread waits for, None if it waits for none."""
        call = self._call
        return call.stack() if call else None


class _CoroutineCall(Generic[_Value]):
    """One coroutine on the loop, and the thread that waits for its end."""

    def __init__(
        self,
        event_loop: EventLoop,
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
            while not self._ended.acquire(timeout=_CHECK_INTERVAL):
                self._event_loop.poll()
        except BaseException:  # the waiting was interrupted
            self.cancel()
            raise
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            self._error = None  # it knows this frame: they would keep each other alive

    def cancel(self) -> None:
        """Cancel the coroutine, from any thread; doing it again does not disturb its clean-up."""
        self._loop.call_soon_threadsafe(self._cancel)

    def stack(self) -> StackSummary:
        """Return where the coroutine is suspended, else what the loop runs at this moment."""
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
        """Keep the coroutine's error as a value: asyncio lets SystemExit end the loop of all."""
        _function.set(self._function)
        try:
            self._value = await self._coroutine
        except BaseException as error:
            self._error = error
        if fork_counter.forks != self._forks:
            end_forked_child(self._error)

    def _end(self, task: "asyncio.Task[None]") -> None:
        try:
            task.result()
        except BaseException as error:  # it was cancelled before its first step
            self._coroutine.close()
            self._error = error
        self._ended.release()


async def _awaited(awaitable: Awaitable[_Value]) -> _Value:
    return await awaitable
