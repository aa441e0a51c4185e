"""Regular expressions that are compiled when they are used.

PyYAML, waitress, Falcon, logging and what they import compile 45 of them when they are imported,
and a start needs few. One of PyYAML's takes 5 ms, and only its parser in Python uses it.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGES = {"falcon", "fcplug", "http", "logging", "string", "textwrap", "waitress", "yaml"}
_compile = re.compile


@contextmanager
def lazy_patterns() -> Iterator[None]:
    """Let the packages above compile their patterns on first use if they are imported in here.

    All other code that runs meanwhile, in other threads or in an import hook, gets what it asks
    for. Use it for modules whose patterns other code does not give to functions of ``re``.
    """
    before, re.compile = re.compile, _compile_later
    try:
        yield
    finally:
        re.compile = before


def _compile_later(pattern: Any, flags: int = 0) -> Any:
    module = sys._getframe(1).f_globals.get("__name__", "")
    later = str(module).partition(".")[0] in _PACKAGES
    return _LazyPattern(pattern, flags) if later else _compile(pattern, flags)


class _LazyPattern:
    """A pattern that is compiled on first use.

    Other code gets that of a class compiled, as an attribute: people give it to ``re.sub``.
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
