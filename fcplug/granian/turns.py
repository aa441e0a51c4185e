"""How many requests are answered at once."""

import threading
from collections import deque
from collections.abc import Callable


class Turns:
    """A number of places; who finds none free waits in line.

    The threads are the callers' own: one that has a place answers what has lined up meanwhile, so
    that as many threads as there are places answer, and all others come back at once.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._line: deque[Callable[[], None]] = deque()

    def enter(self, answer: Callable[[], None]) -> None:
        """Answer here and now, or have another thread do it later; ``answer`` must not raise."""
        with self._lock:
            if not self._free:
                self._line.append(answer)
                return
            self._free -= 1
        following: Callable[[], None] | None = answer
        while following:
            following()
            following = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._line:
                return self._line.popleft()
            self._free += 1
            return None
