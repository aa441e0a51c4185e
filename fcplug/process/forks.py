"""Child processes that a handler forks.

A handler may fork, and its child may do what it likes. But the child must never return into the
runtime: the threads, sockets and callers there belong to the parent.
"""

import os
import sys
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


class ForkCounter:
    """Counts the forks that led to this process.

    Code that calls a handler compares ``forks`` before and after: another number means that it
    runs in a child now.
    """

    forks = 0

    def count(self) -> None:
        """Count one more."""
        self.forks += 1


fork_counter = ForkCounter()
os.register_at_fork(after_in_child=fork_counter.count)


def call_in_child(method: Callable[[], None]) -> None:
    """Call a method in every forked child, before other code, while the method's object exists."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if found := reference():
            found()

    os.register_at_fork(after_in_child=call)


def end_forked_child(error: BaseException | None) -> NoReturn:
    """Exit from a forked child that returned from a handler, as a script would exit.

    The exit code is 0, that of a SystemExit, or 1 for any other error. Of such an error the
    traceback is written to standard error.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        with suppress(Exception):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have replaced the stream
            stream.flush()
    os._exit(code & 0xFF)
