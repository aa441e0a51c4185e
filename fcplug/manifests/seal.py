"""A line in a file that is made, which shows whether somebody has edited it since."""

import hashlib
import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from fcplug.manifests import yaml_text

_MADE_BY = "Made by: "
_SEAL = re.compile(r"^# Checksum: ([0-9a-f]{16})\r?\n", re.MULTILINE)
_COMMAND = re.compile(rf"^# {_MADE_BY}(fcplug manifest .*?)\r?$", re.MULTILINE)


class Sealed(NamedTuple):
    """What a file says of itself.

    Attributes:
        arguments: of the command that made it, after ``fcplug manifest``.
        intact: whether nobody has edited it since.
    """

    arguments: Sequence[str]
    intact: bool


def sealed(title: str, arguments: Sequence[str], text: str) -> str:
    """Return a text below a header: what it is for, the command that makes it, and its checksum.

    Args:
        title: one or more lines.
        arguments: of ``fcplug manifest``.
        text: what follows; comments of it begin with ``#``.
    """
    command = shlex.join(["fcplug", "manifest", *arguments])
    header = "".join(f"{line}\n" for line in yaml_text.comment(f"{title}\n{_MADE_BY}{command}"))
    return f"{header}# Checksum: {_checksum(header + text)}\n{text}"


def read(text: str) -> Sealed | None:
    """Return what a file says of itself, None if it was not made by fcplug."""
    seal, command = _SEAL.search(text), _COMMAND.search(text)
    if not seal or not command:
        return None
    rest = text[: seal.start()] + text[seal.end() :]
    try:
        arguments = shlex.split(command[1])[2:]
    except ValueError:  # its quotes are not closed
        return None
    return Sealed(arguments, seal[1] == _checksum(rest))


def _checksum(text: str) -> str:
    # git may change how lines end
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()[:16]
