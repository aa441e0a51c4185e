"""The lines of a plugin's code around the one that is at fault."""

from collections.abc import Sequence
from typing import NamedTuple

from fcplug.console import content
from fcplug.inspection.finding import Finding

_AROUND = 2  # lines before and after it
_MOST = 1024 * 1024  # bytes of a file that are read
_LONGEST = 200  # characters of a line


class SourceLine(NamedTuple):
    """A line of code with its number; ``at_fault``: the finding is about it."""

    number: int
    text: str
    at_fault: bool


def around(finding: Finding) -> Sequence[SourceLine]:
    """Return the lines around the fault, none if it has no place in a file that can be read."""
    if finding.code is None:
        return ()
    file, number = finding.code
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_MOST).splitlines()
    except (OSError, ValueError):
        return ()
    first = max(1, number - _AROUND)
    shown = lines[first - 1 : number + _AROUND]
    return [
        SourceLine(each, content.printable(text[:_LONGEST]), each == number)
        for each, text in enumerate(shown, first)
    ]
