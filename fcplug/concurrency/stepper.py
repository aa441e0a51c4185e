"""Work that runs step by step on one thread, until one deadline.

A streamed response is such work: each chunk is a step that the server asks for.

::

    the caller                         the thread of the work
    do(step) ──────── _asked ────────▶ runs the step
             ◀─────── _done ────────── its value or error
    end()    ──── None in _asked ────▶ runs at_end, then on_end
    deadline: abandons the work;       the step goes on, and is the last one before at_end
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from fcplug.concurrency.deadline import DeadlineExecutor

_Value = TypeVar("_Value")


class SteppedTask:
    """Work on another thread that runs only when the caller asks for the next step.

    Args:
        deadlines: the executor of the function.
        deadline: on ``time.monotonic()``, in seconds.
        cancel: called when the work is abandoned; must not block or raise.
        at_end: the last step; runs also when the work was abandoned.
        on_end: called once, after ``at_end``.
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
        self._on_cancel = cancel
        self._at_end = at_end
        self._over = False
        self._asked: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._ongoing = deadlines.begin(self._run, deadline, cancel=self._cancel, on_end=on_end)

    def do(self, step: Callable[[], _Value]) -> _Value:
        """Run a step; return its value or raise its error, after which other steps can run.

        Raises:
            FunctionTimeoutError: the deadline has passed; the step may go on, and is the last one.
        """
        value, error = self._ask(step)
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # its traceback has this frame: a reference cycle

    def end(self) -> None:
        """Run the last step, unless the work was abandoned.

        Raises:
            FunctionTimeoutError: the deadline passed before the step had ended.
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
        except BaseException:  # the caller was interrupted
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
        self._on_cancel()


def _outcome_of(step: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return step(), None
    except BaseException as error:
        return None, error
