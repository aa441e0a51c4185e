"""Work done step by step, all of it on one thread, until one deadline."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from fcplug.concurrency.deadline import DeadlineExecutor

_Value = TypeVar("_Value")


class SteppedTask:
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
        deadlines: DeadlineExecutor,
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
        self._asked: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._ongoing = deadlines.begin(self._run, deadline, cancel=self._cancel, on_end=on_end)

    def do(self, step: Callable[[], _Value]) -> _Value:
        """Do a step and return its value; whatever it raises is raised, and ends nothing.

        Raises:
            FunctionTimeoutError: the deadline has passed; the step may go on, and is the last.
        """
        value, error = self._ask(step)
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # it knows this frame: they would keep each other alive

    def end(self) -> None:
        """Do the last step; nothing if the work was abandoned.

        Raises:
            FunctionTimeoutError: the deadline has passed before it was done.
        """
        if not self._over:
            self._over = True
            self._asked.put(None)
            self._ongoing.wait()

    def _ask(self, step: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        left = self._deadline - time.monotonic()
        try:
            if left > 0:
                self._asked.put(step)
                return self._done.get(timeout=min(left, threading.TIMEOUT_MAX))
        except Empty:
            pass
        except BaseException:  # the waiting was interrupted
            self._ongoing.abandon()
            raise
        self._ongoing.abandon()
        raise self._ongoing.late from None

    def _run(self) -> None:
        try:
            while (step := self._asked.get()) and not self._over:
                self._done.put(_outcome_of(step))
                del step
        finally:
            self._at_end()

    def _cancel(self) -> None:
        self._over = True
        self._asked.put(None)
        self._tell()


def _outcome_of(step: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return step(), None
    except BaseException as error:
        return None, error
