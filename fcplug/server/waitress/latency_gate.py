"""The decision whether the leader may answer requests itself: only while answers are quick."""

_QUICK = 0.0005  # seconds: for an answer that takes longer, handing it over costs little
_PENALTY = 8  # quick answers that make up for a slow one
_MAX_PENALTY = 32  # more than this closes the gate
_FIRST_PAUSE = 64  # requests to hand over before the gate opens, or opens again ...
_LONGEST_PAUSE = 4096  # ... doubled after each time it closed at once, up to this


class LatencyGate:
    """Opens when nearly all recent answers were quick, closes when several were slow.

    It starts closed, because first invocations import and initialize. A few slow answers do not
    close it: on a busy machine any thread may be interrupted::

        closed ── `pause` requests handed over ──▶ open
          ▲                                         │
          └── slow answers in a row, or one that ───┘
              held up the loop; `pause` doubles if the gate was open for a short time only

    Args:
        enabled: False keeps the gate closed, so that every request is handed over.

    Attributes:
        is_open: whether the next answer is likely to take less time than handing it over.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.is_open = False
        self._enabled = enabled
        self._pause = _FIRST_PAUSE
        self._left = _FIRST_PAUSE  # requests to hand over until it opens
        self._penalty = 0
        self._answered = 0  # since it opened

    def handed_over(self) -> None:
        """Count a request that another thread answers."""
        self._left -= 1
        self.is_open = self._enabled and self._left <= 0

    def answered(self, seconds: float) -> None:
        """Count an answer that the leader gave itself."""
        self._answered += 1
        if seconds > _QUICK:
            self._penalty += _PENALTY
            if self._penalty > _MAX_PENALTY:
                self.close()
        elif self._penalty:
            self._penalty -= 1

    def close(self) -> None:
        """Hand over the next requests, twice as many as last time if this came soon."""
        came_soon = self._answered <= self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if came_soon else _FIRST_PAUSE
        self._left, self._penalty, self._answered = self._pause, 0, 0
        self.is_open = False
