"""Children that a handler forks.

A handler may fork: it is its own affair what the child does, as long as the child never comes back
into the runtime, whose threads, sockets and callers are the parent's.
"""

import os
import sys
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


class ForkCounter:
    """How often this process was forked since its first ancestor, to notice a fork in between."""

    forks = 0

    def count(self) -> None:
        """Count one more."""
        self.forks += 1


fork_counter = ForkCounter()
os.register_at_fork(after_in_child=fork_counter.count)


def call_in_child(method: Callable[[], None]) -> None:
    """Call a method first thing in every forked child, as long as the method's object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if alive := reference():
            alive()

    os.register_at_fork(after_in_child=call)


def end_forked_child(error: BaseException | None) -> NoReturn:
    """End a forked child that came back from a handler, as a script of its own would end.

    The exit code is 0, that of a SystemExit, or 1 for any other error, with its traceback on
    standard error.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        with suppress(Exception):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have put anything there
            stream.flush()
    os._exit(code & 0xFF)
