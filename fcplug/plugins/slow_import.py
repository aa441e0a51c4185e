"""Log which function takes long to import, and at which line it is."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from fcplug.result import is_own_file

log = logging.getLogger("fcplug")

PATIENCE = 3.0  # seconds of an import until the log reports it
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


@contextmanager
def reported(function: str) -> Iterator[None]:
    """Log where this thread is if the block takes over 3 seconds."""
    timer = threading.Timer(PATIENCE, _report, (function, threading.get_ident()))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _report(function: str, thread: int) -> None:
    log.warning("still importing '%s'%s", function, _user_line_of(thread))


def _user_line_of(thread: int) -> str:
    """Return ``, at file:line`` of the innermost user code that a thread runs, or ``""``."""
    deepest = ""
    for frame, line in traceback.walk_stack(sys._current_frames().get(thread)):
        file = frame.f_code.co_filename
        installed = f"-packages{os.sep}" in file  # site-packages, dist-packages
        if is_own_file(file) or (file.startswith(_STANDARD_LIBRARY) and not installed):
            continue
        if not installed:
            return f", at {file}:{line}"
        deepest = deepest or f", at {file}:{line}"
    return deepest
