"""SIGTERM and SIGINT as a flag that the serving loop checks."""

import signal
import threading
from types import TracebackType
from typing import Any

from fcplug.process.held_signals import STOP, HeldSignals, current


class StopSignals:
    """Notes the first SIGTERM or SIGINT; a second one ends the process at once.

    The interpreter writes a byte to ``wake`` as soon as a signal comes: its Python handler runs
    only after ``poll`` has returned, so ``received`` alone would be seen a poll timeout too late.
    On exit the handlers and the wake-up descriptor are restored.
    """

    def __init__(self, wake: int) -> None:
        self._held = HeldSignals()
        self._wake = wake
        self._before: dict[signal.Signals, Any] = {}
        self._wake_before = -1

    def received(self) -> bool:
        """Whether a stop signal has come; one that was held before counts."""
        return self._held.stop is not None

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("serve() must run in the main thread: only it receives signals")
        self._held = current() or self._held
        self._wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in STOP:
            self._before[number] = signal.signal(number, self._held)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: it was not installed by Python code
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake_before)
