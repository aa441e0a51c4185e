"""Work that is done until it first succeeds."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """Work that is done until it first succeeds.

    Callers that meet a running attempt wait and share its outcome: a slow failure costs its time
    once, not once for each of them. The next caller after a failure tries again. An error that is
    not an ``Exception``, such as being cancelled at the deadline, belongs to the caller that met
    it: the others try for themselves.

    Attributes:
        done: whether the work has succeeded, and ``reset`` was not called since.
        value: what the last success returned; None before the first.
    """

    def __init__(self) -> None:
        self.done = False
        self.value: _Value | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._error: Exception | None = None

    def run(self, work: Callable[[], _Value]) -> _Value:
        """Return the value of the work, done now if it has not been yet."""
        failures = self._failures
        if not self.done:
            with self._lock:
                if not self.done:
                    self._try(work, failures)
        return self.value  # type: ignore[return-value]  # it is done

    def reset(self) -> bool:
        """Let the work be done again; return whether it had been done."""
        with self._lock:
            done, self.done = self.done, False
            return done

    def _try(self, work: Callable[[], _Value], failures: int) -> None:
        """Do the work, or raise what another caller met since there were so many failures."""
        if self._failures != failures and self._error is not None:
            raise self._error
        try:
            self.value = work()
        except Exception as error:
            self._failures += 1
            self._error = error
            raise
        self.done = True
