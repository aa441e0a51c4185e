"""Work that is done until it first succeeds."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """Work that is done until it first succeeds.

    Callers that meet a running attempt wait and share its outcome: a slow failure costs its time
    once, not once for each of them. The next caller after a failure tries again. What is no
    ``Exception``, such as being cancelled at the deadline, is about the caller that met it and is
    shared with nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._error: Exception | None = None
        self._value: tuple[_Value] | None = None

    @property
    def done(self) -> bool:
        """Tell whether the work has succeeded."""
        return self._value is not None

    def run(self, work: Callable[[], _Value]) -> _Value:
        """Return the value of the work, done now if it has not been yet."""
        failures = self._failures
        if self._value is not None:
            return self._value[0]
        with self._lock:
            if self._value is not None:
                return self._value[0]
            if self._failures != failures and self._error is not None:
                raise self._error
            try:
                value = work()
            except Exception as error:
                self._failures += 1
                self._error = error
                raise
            self._value = (value,)
            return value

    def reset(self) -> bool:
        """Let the work be done again; tell whether it had been done."""
        with self._lock:
            done, self._value = self.done, None
            return done
