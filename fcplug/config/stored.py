"""The values of a configuration as ``fcplug build`` stores them, so that a start needs no YAML.

The file lies beside the configuration, and holds the text that it was made from: it counts only as
long as the configuration has this text. It has what ``yaml_strict`` makes of the text, before
variables are filled in, so it fits every version of Python and of the environment; it is checked
at each start like values from YAML.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from fcplug.config.interpolation import LONE_SURROGATE, filled
from fcplug.config.location import Location, Path

SUFFIX = ".msgpack"
_MAGIC = b"fcplug configuration 1\n"  # the number is that of the format, and of the reader's rules
_MOST = 16 * 1024 * 1024  # bytes; a configuration has at most 1 MiB


class StoredError(Exception):
    """A stored configuration cannot be used; the text says why."""


class StaleError(StoredError):
    """It is of another text than the configuration has."""


class _Content(msgspec.Struct, array_like=True):
    """What the file holds after its head.

    Attributes:
        text: the configuration.
        values: its values, as they are written.
        places: line and column of the whole, and of each key and item in their order.
    """

    text: str
    values: Any
    places: msgspec.Raw


class Places(Mapping[Path, Location]):
    """The location of every value; computed when the first one is asked for."""

    def __init__(self, values: Any, places: bytes) -> None:
        self._values = values
        self._places = places
        self._known: dict[Path, Location] | None = None

    @property
    def _all(self) -> dict[Path, Location]:
        if self._known is None:
            numbers = iter(msgspec.msgpack.decode(self._places, type=list[int]))
            self._known = dict(
                zip(_paths(self._values, ()), map(Location, numbers, numbers), strict=False)
            )
        return self._known

    def __getitem__(self, path: Path) -> Location:
        return self._all[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


class Stored:
    """The values of one text, and their locations."""

    def __init__(self, content: _Content) -> None:
        self._text = content.text
        self._values = content.values
        self._places = bytes(content.places)

    def read(self, environ: Mapping[str, str]) -> tuple[Any, Mapping[Path, Location]] | None:
        """Return the values with variables filled in, and their locations.

        Returns None if a variable has a problem: reading the text finds all problems.
        """
        values = self._values
        if "$" in self._text:
            problems: list[str] = []
            values = _filled(values, environ, problems)
            if problems:
                return None
        return values, Places(self._values, self._places)


def encoded(text: str, values: Any, locations: Mapping[Path, Location]) -> bytes:
    """Return the file for a text without mistakes: its values, as they are written."""
    places = [number for path in _paths(values, ()) for number in locations[path]]
    content = _Content(text, values, msgspec.Raw(msgspec.msgpack.encode(places)))
    data = msgspec.msgpack.encode(content)
    return _MAGIC + _checksum(data) + data


def load(file: str, text: str) -> Stored | None:
    """Return what is stored beside a configuration that has this text, None if nothing is.

    Raises:
        StaleError: it is of another text.
        StoredError: it is damaged, or cannot be read.
    """
    try:
        data = _read(file + SUFFIX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoredError(error.strerror or str(error)) from None
    head = len(_MAGIC) + 4
    if not data.startswith(_MAGIC):
        raise StoredError("it is of another version of fcplug")
    if _checksum(data[head:]) != data[len(_MAGIC) : head]:
        raise StoredError("it is damaged")
    try:
        content = msgspec.msgpack.decode(memoryview(data)[head:], type=_Content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StoredError(f"it is damaged: {error}") from None
    if content.text != text:
        raise StaleError("the configuration was edited after fcplug build")
    return Stored(content)


def _checksum(data: bytes) -> bytes:
    import zlib  # noqa: PLC0415 - a plain folder has nothing stored

    return zlib.crc32(data).to_bytes(4, "big")


def _read(file: str) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        return stream.read(_MOST)


def _paths(value: Any, path: Path) -> Iterator[Path]:
    """Yield the path of a value and of all inside it, in the order of the text."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))


def _filled(value: Any, environ: Mapping[str, str], problems: list[str]) -> Any:
    if isinstance(value, str):
        result, found = filled(value, environ)
        problems += found or re.findall(LONE_SURROGATE, result)
        return result
    if isinstance(value, dict):
        return {key: _filled(item, environ, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environ, problems) for item in value]
    return value
