"""Invocations that are running, and what to do when the time of one is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

OnLate = Callable[[], None]


class Deadlines:
    """The deadlines of running invocations, on ``time.monotonic()``; its caller holds a lock."""

    def __init__(self) -> None:
        self._running: dict[OnLate, float] = {}
        self._wake_at = math.inf

    def add(self, deadline: float, on_late: OnLate) -> bool:
        """Add an invocation; return whether the waiting thread must wake up sooner."""
        self._running[on_late] = deadline
        return deadline < self._wake_at

    def remove(self, on_late: OnLate) -> None:
        """Remove an invocation that has ended."""
        self._running.pop(on_late, None)

    def plan(self, interval: float | None) -> float | None:
        """Return the seconds to wait until the next deadline, or the interval; None for ever."""
        now = time.monotonic()
        until = now + interval if interval is not None else math.inf
        self._wake_at = min([until, *self._running.values()])
        return None if self._wake_at == math.inf else max(0.0, self._wake_at - now)

    def late(self) -> list[OnLate]:
        """Return what to call for the invocations whose time is up, and remove them."""
        now = time.monotonic()
        found = [on_late for on_late, deadline in self._running.items() if deadline <= now]
        for on_late in found:
            del self._running[on_late]
        return found
