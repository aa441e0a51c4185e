"""The decision whether to take a faster way that does not always pay."""

_PENALTY = 8  # tries that paid and make up for one that did not
_MAX_PENALTY = 32  # more than this closes the gate
_FIRST_PAUSE = 64  # times to skip before the gate opens, or opens again ...
_LONGEST_PAUSE = 4096  # ... doubled after each time it closed at once, up to this


class AdaptiveGate:
    """Opens when nearly all recent tries paid, closes when several did not.

    It starts closed, because first invocations import and initialize. A few tries that do not pay
    do not close it: on a busy machine any thread may be interrupted::

        closed ── skipped `pause` times ──▶ open
          ▲                                   │
          └── tries in a row that did not ────┘
              pay, or a costly one; `pause` doubles if the gate was open for a short time only

    Args:
        enabled: False keeps the gate closed.

    Attributes:
        is_open: whether the next try is likely to pay.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.is_open = False
        self._enabled = enabled
        self._pause = _FIRST_PAUSE
        self._left = _FIRST_PAUSE  # times to skip until it opens
        self._penalty = 0
        self._tried = 0  # since it opened

    def skipped(self) -> None:
        """Count a time that the faster way was not taken, because the gate is closed."""
        self._left -= 1
        self.is_open = self._enabled and self._left <= 0

    def tried(self, *, paid: bool) -> None:
        """Count a time that it was taken."""
        self._tried += 1
        if not paid:
            self._penalty += _PENALTY
            if self._penalty > _MAX_PENALTY:
                self.close()
        elif self._penalty:
            self._penalty -= 1

    def close(self) -> None:
        """Skip the next times, twice as many as last time if this came soon."""
        came_soon = self._tried <= self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if came_soon else _FIRST_PAUSE
        self._left, self._penalty, self._tried = self._pause, 0, 0
        self.is_open = False
