"""One event loop for the ``async def`` hooks of all functions.

Unlike a thread, a coroutine can be ended from outside, at an ``await``. So when an invocation is
abandoned at its deadline, the coroutine that its thread waits for is cancelled, and the thread
becomes free. See ``coroutine_call``.

The check for code that blocks the loop, by whichever threads wait for it, once a second::

    turned ── poll(): schedules _note_turn() ──▶ 0 misses ── poll() ──▶ 1 miss ── poll() ──▶ 2: log
       ▲                                            │                     │                   │
       └──────────── _note_turn(): the loop runs ───┴─────────────────────┴───────────────────┘

One miss can be a freeze of the instance.
"""

import functools
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from traceback import StackSummary, walk_stack
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from fcplug.concurrency.coroutine_call import (
    CHECK_INTERVAL,
    CoroutineCall,
    WaitingThread,
    current_function,
)
from fcplug.process.forks import call_in_child, end_forked_child, fork_counter
from fcplug.result import user_frames

if TYPE_CHECKING:
    import asyncio
    import selectors

_MISSES = 2  # checks in a row that find the loop blocked before it is logged

_HANDLE = ("asyncio.events", "_run")  # the method of asyncio.Handle that runs a callback

_Value = TypeVar("_Value")


class EventLoop:
    """An asyncio loop on its own thread, which starts with the first coroutine.

    All hooks share it, so that ``invoke`` can use connections that ``initialize`` opened.
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
                import asyncio  # 20 ms that only coroutines need  # noqa: PLC0415
                import selectors  # noqa: PLC0415

                # not asyncio.new_event_loop: user code may have set a policy
                self._selector = selectors.DefaultSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
                self._thread.start()
            return self._loop

    def synchronous(
        self, function: Callable[..., Coroutine[Any, Any, Any]], name: str = ""
    ) -> Callable[..., Any]:
        """Return a plain function that runs the coroutine function and waits for its end.

        ``name`` is the name of the function in ``functions.yaml``.
        """

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.run(function(*args, **kwargs), name)

        return call

    def complete(self, result: Any, name: str = "") -> Any:
        """Return a result; if it is awaitable, the value that it yields.

        A plain function may return a coroutine, for example one that a decorator has wrapped.
        """
        if not hasattr(type(result), "__await__"):
            return result
        return self.run(_awaited(result), name)

    def completing(self, function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        """Return a function that calls the given one and completes its result."""

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
        """Run a coroutine; return its value or raise its error.

        It has the caller's context variables. It is cancelled if the caller is interrupted while
        it waits, or is a ``WaitingThread`` that is cancelled. ``task`` returns a task that the
        coroutine waits for, whose stack says more than its own.
        """
        call = CoroutineCall(self, coroutine, name, task)
        thread = threading.current_thread()
        if not isinstance(thread, WaitingThread):
            return call.wait()
        thread.set_awaited(call)
        try:
            return call.wait()
        finally:
            thread.set_awaited(None)

    def poll(self) -> None:
        """Log code that blocks the loop; checks at most once a second."""
        now = time.monotonic()
        with self._lock:
            if self._loop is None or now - self._checked_at < CHECK_INTERVAL:
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
        """Return the function whose code the loop runs now, and its stack; empty if it is idle."""
        frames: list[tuple[FrameType, int]] = []
        for frame, line in walk_stack(sys._current_frames().get(self._thread.ident or 0)):
            if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _HANDLE:
                function: str = frame.f_locals["self"]._context.get(current_function, "")
                return function, StackSummary.extract(reversed(frames))
            frames.append((frame, line))
        return "", StackSummary()

    def close(self, limit: float) -> bool:
        """Cancel all tasks and end the loop; False if that took more than ``limit`` seconds.

        The loop cannot be used afterwards. A process that serves does not need this: it exits.
        """
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                return True
            self._loop.call_soon_threadsafe(self._begin_close, self._loop)
        self._thread.join(limit)
        return not self._thread.is_alive()

    def _begin_close(self, loop: "asyncio.AbstractEventLoop") -> None:
        # in an attribute, because asyncio keeps only a weak reference to a task
        self._closing_task = loop.create_task(self._close(loop))

    async def _close(self, loop: "asyncio.AbstractEventLoop") -> None:
        import asyncio  # noqa: PLC0415 - imported by now

        try:
            tasks = asyncio.all_tasks() - {self._closing_task}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=CHECK_INTERVAL)
            await loop.shutdown_asyncgens()
        finally:
            self._closing = True
            loop.stop()

    def _note_turn(self) -> None:
        self._turned = True

    def _run(self) -> None:
        """Run the loop until it is closed, also when a task raises SystemExit or stops the loop."""
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
        """Close the copy of the selector in a forked child: it would take the parent's events."""
        if self._selector:
            self._selector.close()


async def _awaited(awaitable: Awaitable[_Value]) -> _Value:
    return await awaitable
