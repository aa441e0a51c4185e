"""How two versions of a file differ, value by value."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.location import Path

_ABSENT = object()
_MOST_SHOWN = 60  # characters of a value


class Difference(NamedTuple):
    """A value that is not the same in both: how it is found, and how it would be made."""

    path: Path
    found: str
    made: str


def differences(found: Any, made: Any, path: Path = ()) -> Iterator[Difference]:
    """Yield each value that differs; a value that only one has is ``nothing`` in the other."""
    if isinstance(found, Mapping) and isinstance(made, Mapping):
        for key in dict.fromkeys([*found, *made]):
            inner = (*path, key)
            yield from differences(found.get(key, _ABSENT), made.get(key, _ABSENT), inner)
    elif isinstance(found, list) and isinstance(made, list) and len(found) == len(made):
        for index, (one, other) in enumerate(zip(found, made, strict=True)):
            yield from differences(one, other, (*path, index))
    elif found != made or type(found) is not type(made):
        yield Difference(path, _shown(found), _shown(made))


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, Mapping):
        return _cut(f"{{{', '.join(map(str, value))}}}")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _cut(f"[{', '.join(map(str, value))}]")
    return _cut(repr(value) if isinstance(value, str) else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
