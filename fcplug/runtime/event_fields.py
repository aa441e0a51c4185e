"""Fields of a JSON event, read without building the rest of it.

msgspec decodes only the wanted members of each level, as slices of the event, and skips all
others. So an event of 32 MB costs one pass over its bytes for each level of a path, and no memory.
An event that is not JSON, or not in UTF-8, has no fields.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, defstruct, field, structs
from msgspec.json import Decoder
from msgspec.json import decode as decode_value

from fcplug.config.routes import FieldPath, Value

_NOT_JSON = (ValueError, RecursionError)  # what msgspec raises; the latter for deep nesting
_LONGEST_NUMBER = 400  # characters


class EventFields:
    """Reads the fields at the given paths, in one go."""

    def __init__(self, paths: Iterable[FieldPath]) -> None:
        self._root = _Level({path: path for path in paths})

    def read(self, event: bytes) -> dict[FieldPath, Value]:
        """Return the texts, numbers and truth values found; a key that comes twice has its last."""
        slices: dict[FieldPath, Raw] = {}
        self._root.read(event, slices)
        values = {path: _plain(bytes(raw)) for path, raw in slices.items()}
        return {path: value for path, value in values.items() if value is not None}


class _Level:
    """The wanted members of an object or a list; of each the rest of the paths through it."""

    def __init__(self, paths: Mapping[FieldPath, FieldPath]) -> None:
        self._path = paths.get(())
        below: dict[str | int, dict[FieldPath, FieldPath]] = {}
        for rest, path in paths.items():
            if rest:
                below.setdefault(rest[0], {})[rest[1:]] = path
        self._kinds: list[tuple[Decoder[Struct], list[tuple[int, _Level]]]] = []
        keys = [key for key in below if isinstance(key, str)]
        if keys:
            levels = [(i, _Level(below[key])) for i, key in enumerate(keys)]
            self._kinds.append((Decoder(_object(dict.fromkeys(keys, Raw), Raw())), levels))
        positions = [key for key in below if isinstance(key, int)]
        if positions:
            levels = [(position, _Level(below[position])) for position in positions]
            items = [Raw] * (max(positions) + 1)
            self._kinds.append((Decoder(_list(items, Raw())), levels))

    def read(self, data: bytes | Raw, found: dict[FieldPath, Raw]) -> None:
        """Add the slices of the wanted fields of one value."""
        if self._path is not None and isinstance(data, Raw):
            found[self._path] = data
        for decoder, levels in self._kinds:
            try:
                members = structs.astuple(decoder.decode(data))
            except _NOT_JSON:
                continue
            for index, level in levels:
                if memoryview(members[index]).nbytes:
                    level.read(members[index], found)


def agrees(event: bytes, path: FieldPath, wanted: str | Value) -> bool:
    """Return whether a field has the wanted value also if keys on its way come twice.

    Readers of JSON differ in which of the two they take. ``wanted`` is a regular expression for a
    text, else the value itself.
    """

    def same(_: type, value: object) -> "_Truth":
        if value is not wanted:
            raise ValueError
        return _Truth()

    kinds: list[Any]
    if isinstance(wanted, bool):
        kinds = [bool, _Truth]  # the second builds any value: the first lets only small ones pass
    elif isinstance(wanted, str):
        kinds = [Annotated[str, Meta(pattern=wanted)]]
    else:
        kinds = [Annotated[float, Meta(ge=wanted, le=wanted)]]
    try:
        for kind in kinds:
            Decoder(_holding(kind, path), dec_hook=same).decode(event)
    except _NOT_JSON:
        return False
    return True


def _holding(kind: Any, path: FieldPath) -> Any:
    """Return the type of a document that has a value of some type at a path."""
    for key in reversed(path):
        kind = _object({key: kind}) if isinstance(key, str) else _list([*[Raw] * key, kind])
    return kind


class _Truth:
    """A type that msgspec does not know: it asks the hook for each value."""


def _object(members: Mapping[str, Any], default: Any = None) -> type[Struct]:
    """Return the type of an object that has these members, or may have them, with a default."""
    options = {} if default is None else {"default": default}
    return defstruct(
        "Members",
        [
            (f"m{i}", kind, field(name=key, **options))
            for i, (key, kind) in enumerate(members.items())
        ],
    )


def _list(items: list[Any], default: Any = None) -> type[Struct]:
    """Return the type of a list that begins with these items, or may, with a default."""
    options = () if default is None else (default,)
    return defstruct(
        "Items", [(f"i{i}", kind, *options) for i, kind in enumerate(items)], array_like=True
    )


def _plain(raw: bytes) -> Value | None:
    """Return a text, number or truth value, None for anything else."""
    kind: Any = {b'"': str, b"t": bool, b"f": bool}.get(raw[:1], float)
    if raw[:1] in b"[{n" or (kind is float and len(raw) > _LONGEST_NUMBER):
        return None
    try:
        value: Value = decode_value(raw, type=kind)
    except _NOT_JSON:
        return None
    return value
