"""Work that runs until it has succeeded once."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """Work that runs until it has succeeded once; its value is kept.

    Callers that arrive during an attempt wait for it and share its outcome, so that a slow failure
    costs them its time only once. The next caller after a failure tries again. Waiting callers
    share Exceptions, never other BaseExceptions: SystemExit or the cancellation at a deadline
    concern only the caller that ran the work.

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
        """Return the value of the work; run it first if it has not succeeded yet."""
        failures = self._failures
        if not self.done:
            with self._lock:
                if not self.done:
                    self._try(work, failures)
        return self.value  # type: ignore[return-value]  # it is done

    def reset(self) -> bool:
        """Make the work run again at the next call; return whether it was done."""
        with self._lock:
            done, self.done = self.done, False
            return done

    def _try(self, work: Callable[[], _Value], failures: int) -> None:
        """Run the work; if it failed while this caller waited, raise that error instead."""
        if self._failures != failures and self._error is not None:
            raise self._error
        try:
            self.value = work()
        except Exception as error:
            self._failures += 1
            self._error = error
            raise
        self.done = True
