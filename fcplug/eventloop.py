"""One event loop for every ``async def`` hook of the process."""

import functools
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class EventLoop:
    """An asyncio loop on a thread of its own, started when the first coroutine needs it.

    One loop for all, so that what ``initialize`` opened is good for ``invoke``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def synchronous(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """Return a plain function with the same signature that waits for the coroutine's end.

        The coroutine sees the caller's context variables.
        """

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            import asyncio  # noqa: PLC0415 - a quarter of a start, where nothing needs it

            outcome = _outcome(function(*args, **kwargs))
            value, error = asyncio.run_coroutine_threadsafe(outcome, self._running()).result()
            if error is not None:
                raise error
            return value

        return call

    def _running(self) -> "asyncio.AbstractEventLoop":
        import asyncio  # noqa: PLC0415

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run, args=(self._loop,), name="fcplug-event-loop", daemon=True
                ).start()
            return self._loop


def _run(loop: "asyncio.AbstractEventLoop") -> None:
    """Run the loop for ever: a task that exits, or stops the loop, must not hang everyone else."""
    while not loop.is_closed():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


async def _outcome(
    coroutine: Coroutine[Any, Any, Any],
) -> tuple[Any, BaseException | None]:
    """Keep the coroutine's error as a value: asyncio lets SystemExit end the loop of everyone."""
    try:
        return await coroutine, None
    except BaseException as error:
        return None, error
