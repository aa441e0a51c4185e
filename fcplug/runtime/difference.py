"""Where two answers differ: the places, never the values, which may be secret."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec.json import decode

_LARGEST = 1024 * 1024  # bytes of an answer that is compared as JSON
_MOST_PLACES = 5
_DEEPEST = 50  # levels of nesting
_SHORT_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_NAMES = {str: "text", bool: "true or false", type(None): "null", dict: "object", list: "list"}


def difference(first: bytes, second: bytes) -> str:
    """Return in words where two answers differ, "" if they are the same.

    Answers in JSON are the same if their values are; others if their bytes are.
    """
    if first == second:
        return ""
    if max(len(first), len(second)) <= _LARGEST:
        try:
            values = decode(first), decode(second)
        except (ValueError, RecursionError):
            pass
        else:
            return _listed(_places(*values, ()))
    return f"from byte {_first_difference(first, second)}"


def _first_difference(first: bytes, second: bytes) -> int:
    """Return where two different texts begin to differ, by halving: slices are compared quickly."""
    low, high = 0, min(len(first), len(second))
    if first[:high] == second[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _listed(places: Iterator[str]) -> str:
    shown = [place for _, place in zip(range(_MOST_PLACES), places, strict=False)]
    more = ", and more" if next(places, None) is not None else ""
    return "; ".join(shown) + more


def _places(first: Any, second: Any, path: tuple[str, ...]) -> Iterator[str]:
    if _kind(first) != _kind(second):
        yield f"{_dotted(path)} is {_kind(second)} in place of {_kind(first)}"
    elif len(path) > _DEEPEST:
        if first != second:
            yield f"{_dotted(path)} has another value"
    elif isinstance(first, dict):
        for key in first.keys() | second.keys():
            below = (*path, key if _SHORT_WORD.fullmatch(key) else "*")
            if key not in second:
                yield f"{_dotted(below)} is missing"
            elif key not in first:
                yield f"{_dotted(below)} is added"
            else:
                yield from _places(first[key], second[key], below)
    elif isinstance(first, list):
        if len(first) != len(second):
            yield f"{_dotted(path)} has {len(second)} items in place of {len(first)}"
        for index, (one, other) in enumerate(zip(first, second, strict=False)):
            yield from _places(one, other, (*path, str(index)))
    elif first != second:
        yield f"{_dotted(path)} has another value"


def _kind(value: Any) -> str:
    return _NAMES.get(type(value), "number")


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(path) or "it"
