"""SIGTERM and SIGINT as a flag that the serving loop looks at."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_STOP = (signal.SIGTERM, signal.SIGINT)


class _Held:
    """A handler that notes the first signal; a second one ends the process at once."""

    received = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.received:
            os._exit(128 + number)  # as a shell reports it; nothing may hold up a second signal
        self.received = True


def hold_stop_signals() -> None:
    """Keep SIGTERM and SIGINT until ``serve``, which then answers what has come and stops.

    For the time that the socket listens already: the kernel accepts for it.
    """
    held = _Held()
    for number in _STOP:
        signal.signal(number, held)


class StopSignals:
    """Turns the first SIGTERM or SIGINT into ``received``; a second one ends the process at once.

    The kernel's signal writes a byte to ``wake`` itself: a handler in Python only runs once the
    interpreter is back from ``poll``, so a flag alone would be seen up to a poll timeout late.
    Handlers and wake-up descriptor are put back on the way out.
    """

    def __init__(self, wake: int) -> None:
        self._held = _Held()
        self._wake = wake
        self._before: dict[signal.Signals, Any] = {}
        self._wake_before = -1

    @property
    def received(self) -> bool:
        """Whether one has come, since they were held."""
        return self._held.received

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("serve() must run in the main thread: only it gets signals")
        self._wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in _STOP:
            before = self._before[number] = signal.signal(number, self._held)
            if isinstance(before, _Held) and before.received:
                self._held.received = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: it was not Python that installed it
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake_before)
