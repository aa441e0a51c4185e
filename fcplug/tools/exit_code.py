"""How a command ends: its exit code, whatever happens on the way."""

import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from fcplug.errors import FcplugError, OutputError, ToolsMissing

FINE = 0
PROBLEM = 1  # problems were found, or a function failed
USAGE = 2
INTERRUPTED = 130


class WrongUsage(FcplugError):  # noqa: N818 - it is reported, not caught
    """A command was given what it cannot work with; its exit code is 2."""


def of(run: Callable[[], int]) -> int:
    """Run a command and return its exit code.

    An error that fcplug raises on purpose is printed on standard error, Ctrl-C gives one line.
    Text that the terminal's encoding cannot show is escaped.
    """
    _prepare_streams()
    try:
        return _flushed(run())
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    except (ToolsMissing, WrongUsage) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except FcplugError as error:
        sys.stderr.write(f"{error}\n")
        return PROBLEM


def end_by_signals() -> None:
    """Let a signal that ends this process unwind it first, so that nothing it started stays."""

    def unwind(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, unwind)


def discard(stream: io.TextIOBase | None = None) -> None:
    """Let all that is still written to a stream go nowhere: its reader has closed the pipe."""
    target = sys.stdout if stream is None else stream
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target.fileno())
    os.close(nowhere)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed when the process started
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - to the end of the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flushed(code: int) -> int:
    """Write out what is left to be written, and return the exit code.

    Raises:
        OutputError: standard output takes no more, as a full disk does not.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard()  # Python would write it once more at its end
    except OSError as error:
        discard()
        raise OutputError("standard output", error.strerror or str(error)) from None
    return code
