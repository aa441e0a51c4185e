"""The stand-in for a wrong value, so that no later check reports it again."""

from typing import Any, Final


class _Invalid:
    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final[Any] = _Invalid()
