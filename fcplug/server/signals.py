"""SIGTERM and SIGINT as a flag that the serving loop looks at."""

import signal
import threading
from types import TracebackType
from typing import Any

from fcplug.process.held_signals import STOP, HeldSignals


class StopSignals:
    """Turns the first SIGTERM or SIGINT into ``received``; a second one ends the process at once.

    The kernel's signal writes a byte to ``wake`` itself: a handler in Python only runs once the
    interpreter is back from ``poll``, so a flag alone would be seen up to a poll timeout late.
    Handlers and wake-up descriptor are put back on the way out.
    """

    def __init__(self, wake: int) -> None:
        self._held = HeldSignals()
        self._wake = wake
        self._before: dict[signal.Signals, Any] = {}
        self._wake_before = -1

    @property
    def received(self) -> bool:
        """Whether one has come, since they were held."""
        return self._held.stop is not None

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("serve() must run in the main thread: only it gets signals")
        self._wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in STOP:
            before = self._before[number] = signal.signal(number, self._held)
            if isinstance(before, HeldSignals) and before.stop is not None:
                self._held.stop = before.stop
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
