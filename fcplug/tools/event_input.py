"""The event of a call, as the command line names it."""

import os
import sys
from contextlib import suppress
from typing import BinaryIO

from fcplug import protocol
from fcplug.tools.exit_code import WrongUsage

_MIB = 1024 * 1024


class EventError(WrongUsage):
    """An event cannot be read, or is larger than Function Compute sends."""


def read(given: str | None) -> bytes:
    """Return an event: a text itself, ``@FILE`` a file's content, ``-`` standard input.

    Without any it is empty.

    Raises:
        EventError: the file cannot be read, or is larger than Function Compute sends.
    """
    if given is None:
        return b""
    if given == "-":
        if sys.stdin is None:
            raise EventError("the event cannot be read: standard input is closed")
        return _limited(sys.stdin.buffer, "standard input")
    if not given.startswith("@"):
        return _checked(os.fsencode(given), "the event")
    file = given[1:]
    try:
        with open(file, "rb") as stream:
            return _limited(stream, file)
    except OSError as error:
        fix = ""
        if isinstance(error, FileNotFoundError):
            with suppress(FileNotFoundError):  # the working directory itself was removed
                fix = f"\n  fix: the path is taken from {os.getcwd()}"
        raise EventError(f"the event file '{file}' cannot be read: {error.strerror}{fix}") from None


def _limited(stream: BinaryIO, name: str) -> bytes:
    return _checked(stream.read(protocol.MAX_EVENT_SIZE + 1), name)


def _checked(event: bytes, name: str) -> bytes:
    if len(event) > protocol.MAX_EVENT_SIZE:
        raise EventError(
            f"{name} is larger than {protocol.MAX_EVENT_SIZE // _MIB} MB, the largest event of "
            "Function Compute\n  fix: put the data in OSS, and its bucket and key in the event"
        )
    return event
