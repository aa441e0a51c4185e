"""The thread that a call runs on: never the main one, as in an instance."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

_Value = TypeVar("_Value")


def run(work: Callable[[], _Value]) -> _Value:
    """Do the work on a thread of its own, with the context variables of this one.

    An interrupt ends the wait for it, not the work.
    """
    future: Future[_Value] = Future()
    variables = copy_context()

    def answer() -> None:
        try:
            future.set_result(variables.run(work))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=answer, name="fcplug-call", daemon=True)
    thread.start()
    try:
        return future.result()
    finally:
        if future.done():
            thread.join()
