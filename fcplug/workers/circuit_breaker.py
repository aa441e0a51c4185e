"""Decide whether another worker should be started after several have died.

The states::

    closed --DEATHS deaths within WINDOW--> open for a pause --time passes--> closed

Each time it opens again, the pause is twice as long. An answered call resets it.
"""

import time
from collections import deque
from collections.abc import Callable

DEATHS = 3  # in a row
WINDOW = 10.0  # seconds for these deaths
PAUSE = 1.0  # seconds without a start; doubled each time, up to LONGEST_PAUSE
LONGEST_PAUSE = 30.0


class CircuitBreaker:
    """Opens when workers die one after another before one has answered a call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._pause = PAUSE
        self._open_until = 0.0
        self._last = ""

    @property
    def open(self) -> bool:
        """Whether no worker may be started now."""
        return self._clock() < self._open_until

    @property
    def why(self) -> str:
        """The reason why it opened, and for how long."""
        left = max(0.0, self._open_until - self._clock())
        return (
            f"{DEATHS} died one after another, the last: {self._last}; "
            f"none is started for another {left:.1f} seconds"
        )

    def record_death(self, how: str) -> None:
        """Record a worker that died before it answered a call."""
        now = self._clock()
        self._last = how
        self._deaths.append(now)
        if len(self._deaths) == DEATHS and now - self._deaths[0] <= WINDOW:
            self._open_until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def record_answer(self) -> None:
        """Record an answered call: the function works."""
        if self._deaths:
            self._deaths.clear()
            self._pause = PAUSE
