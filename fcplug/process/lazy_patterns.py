"""Regular expressions that are compiled when they are used.

PyYAML, waitress, Falcon, logging and what they import compile 45 at once, and a start needs few.
One of PyYAML's takes 5 ms, and only its parser in Python uses it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_compile = re.compile


@contextmanager
def lazy_patterns() -> Iterator[None]:
    """Let modules that are imported inside this context compile their patterns on first use.

    Use it before other threads run, and for modules whose patterns other code does not give to
    functions of ``re``.
    """
    before, re.compile = re.compile, _LazyPattern  # type: ignore[assignment]
    try:
        yield
    finally:
        re.compile = before


class _LazyPattern:
    """A pattern that is compiled on first use.

    As an attribute of a class it is seen compiled: people give such patterns to ``re.sub``.
    """

    def __init__(self, pattern: Any, flags: int = 0) -> None:
        self._arguments = pattern, flags
        self._compiled: re.Pattern[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._pattern(), name)
        setattr(self, name, value)  # the next access takes no call
        return value

    def __get__(self, _instance: object, _owner: type) -> "re.Pattern[Any]":
        return self._pattern()

    def _pattern(self) -> "re.Pattern[Any]":
        if self._compiled is None:
            self._compiled = _compile(*self._arguments)
        return self._compiled
