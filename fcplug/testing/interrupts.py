"""Ctrl-C while a call runs: the call ends with it, and so must the test."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def passed_on() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end if it was asked for meanwhile.

    The runtime makes whatever is raised inside a call its answer. What handles the signal is left
    alone unless it is Python's own, on the thread that Python calls it on.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def note(number: int, frame: Any) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt
