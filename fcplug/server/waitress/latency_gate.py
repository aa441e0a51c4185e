"""Whether answers are quick."""

_QUICK = 0.0005  # seconds: to call another thread costs little beside an answer that takes longer
_MARK = 8  # quick answers that make up for one that was not
_MOST_MARKS = 32
_FEWEST = 64  # requests handed over before quickness is tried, or tried again ...
_MOST = 4096  # ... twice as many after each trial that failed at once, up to this


class LatencyGate:
    """Tells whether nearly all answers have been quick of late.

    In the beginning they are not: first invocations import and initialize. A few that were not
    tell nothing: on a busy machine any may be interrupted.
    """

    def __init__(self) -> None:
        self._left = self._rest = _FEWEST
        self._marks = 0
        self._run = 0

    @property
    def quick(self) -> bool:
        """Whether the next answer is likely to take less than it costs to hand it over."""
        return self._left <= 0

    def handed_over(self) -> None:
        """Count a request that another thread answers."""
        self._left -= 1

    def answered(self, seconds: float) -> None:
        """Count an answer that was given without handing over."""
        self._run += 1
        if seconds > _QUICK:
            self._marks += _MARK
            if self._marks > _MOST_MARKS:
                self.slow()
        elif self._marks:
            self._marks -= 1

    def slow(self) -> None:
        """Have requests handed over for a while."""
        self._rest = _FEWEST if self._run > self._rest else min(self._rest * 2, _MOST)
        self._left, self._marks, self._run = self._rest, 0, 0
