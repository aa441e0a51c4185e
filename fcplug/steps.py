"""Work done step by step, all of it on one thread, until one deadline."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fcplug.deadline import Deadlines

_Value = TypeVar("_Value")


class Steps:
    """Work whose steps are asked for one at a time, and run on a thread of their own.

    Nothing runs between two steps, so nothing is made that nobody has asked for.

    Args:
        deadlines: those of the function that the work is for.
        deadline: on ``time.monotonic()``, in seconds.
        cancel: called when the work is abandoned; must not block or raise.
        at_end: the last step, done whether the work came to its end or was abandoned.
        on_end: called once, after it.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        deadline: float,
        *,
        cancel: Callable[[], None],
        at_end: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._deadline = deadline
        self._tell = cancel
        self._at_end = at_end
        self._over = False
        self._asked = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._step: Callable[[], Any] | None = None
        self._outcome: tuple[Any, BaseException | None] = None, None
        self._ongoing = deadlines.begin(self._run, deadline, cancel=self._cancel, on_end=on_end)

    def do(self, step: Callable[[], _Value]) -> _Value:
        """Do a step and return its value; whatever it raises is raised, and ends nothing.

        Raises:
            FunctionTimeoutError: the deadline has passed; the step may go on, and is the last.
        """
        left = self._deadline - time.monotonic()
        if left > 0:
            self._step = step
            self._asked.release()
            try:
                done = self._done.acquire(timeout=min(left, threading.TIMEOUT_MAX))
            except BaseException:  # the waiting was interrupted
                self._ongoing.abandon()
                raise
            if done:
                value, error = self._outcome
                self._outcome = None, None
                if error is not None:
                    raise error
                return value  # type: ignore[no-any-return]
        self._ongoing.abandon()
        raise self._ongoing.late

    def end(self) -> None:
        """Do the last step; nothing if the work was abandoned.

        Raises:
            FunctionTimeoutError: the deadline has passed before it was done.
        """
        if not self._over:
            self._over = True
            self._asked.release()
            self._ongoing.wait()

    def _run(self) -> None:
        try:
            while self._asked.acquire() and not self._over:
                assert self._step  # noqa: S101 - set before it is asked for
                try:
                    self._outcome = self._step(), None
                except BaseException as error:
                    self._outcome = None, error
                self._done.release()
        finally:
            self._step = None
            self._at_end()

    def _cancel(self) -> None:
        self._over = True
        self._asked.release()
        self._tell()
