"""Whether starting another worker is worth a try."""

import time
from collections import deque
from collections.abc import Callable

DEATHS = 3  # in a row, within ...
WINDOW = 10.0  # seconds: then no worker is started for ...
PAUSE = 1.0  # seconds, doubled each time that did not help, up to ...
LONGEST_PAUSE = 30.0


class CircuitBreaker:
    """Opens when workers die one after the other before any has answered a call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._pause = PAUSE
        self._open_until = 0.0
        self._last = ""

    @property
    def open(self) -> bool:
        """Tell whether no worker should be started now."""
        return self._clock() < self._open_until

    @property
    def why(self) -> str:
        """What opened it."""
        left = max(0.0, self._open_until - self._clock())
        return (
            f"{DEATHS} died one after the other, the last: {self._last}; "
            f"none is started for another {left:.1f} seconds"
        )

    def record_death(self, how: str) -> None:
        """Take note of a worker that died before it had answered a call."""
        now = self._clock()
        self._last = how
        self._deaths.append(now)
        if len(self._deaths) == DEATHS and now - self._deaths[0] <= WINDOW:
            self._open_until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def record_answer(self) -> None:
        """Take note of a call that was answered: the function works."""
        if self._deaths:
            self._deaths.clear()
            self._pause = PAUSE
