"""Where the values of a configuration are: in its tree, and in its text."""

from typing import NamedTuple

Path = tuple[str | int, ...]


class Location(NamedTuple):
    """A position in the text; lines and columns count from 1."""

    line: int
    column: int


def dotted(path: Path) -> str:
    """Return a path as users read it: ``functions.hello.middleware[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
