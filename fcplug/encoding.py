"""A handler's result as the bytes of the answer, or an error that names the wrong value.

FC's own runtime calls ``json.dumps``, whose errors name a value but not its place. So a result that
fails is walked once more, to find the place. A result that is right pays nothing for this.
"""

import datetime
import decimal
import enum
import json
import logging
import math
import sys
from collections.abc import Iterator
from types import CoroutineType
from typing import Any

import msgspec

from fcplug.errors import InvalidResult

log = logging.getLogger("fcplug")

_OWN_TYPES = (bytes, bytearray, memoryview, datetime.datetime, datetime.date, decimal.Decimal)
_KEY_TYPES = (str, int, float, bool, type(None))
_INDENT = 4  # spaces
_MOST_PLACE = 200  # characters of a place in an error
_FIXES: tuple[tuple[Any, str], ...] = (
    ((set, frozenset), "return a list, as sorted(...) makes one"),
    ((bytes, bytearray, memoryview), "decode it, or encode it as base64; bytes alone are sent raw"),
    (CoroutineType, "await it"),
    (Iterator, "return a list, as list(...) makes one"),
    (type, "return an object of this class"),
    (object, "return a dict or a dataclass, or give its class a method to_json"),
)

_Children = Iterator[tuple[str, Any]]


def encode(value: Any, handler: str = "") -> bytes:
    """Return a handler's result as FC's built-in runtime sends it.

    ``bytes`` and ``str`` as they are, anything else as JSON of indent 4 with sorted keys; Decimal,
    date and datetime, objects with ``to_json``, dataclasses, attrs classes, msgspec Structs,
    pydantic models, enumerations and UUIDs are understood. NaN and infinity are sent as FC sends
    them, which is not JSON, with a warning in the log.

    Raises:
        InvalidResult: the value is not JSON; the text names the place, and ``handler``.
    """
    if isinstance(value, bytes):
        return value
    try:
        return _dumped(value)
    except (TypeError, ValueError, RecursionError):
        return _dumped_or_explained(value, handler)


def _dumped(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    data = _compact.encode(value).encode()
    try:
        return msgspec.json.format(data, indent=_INDENT)
    except msgspec.MsgspecError:  # it refuses the half of a surrogate pair, which json lets pass
        return _dumped_by_json(value, allow_nan=False)


def _dumped_by_json(value: Any, *, allow_nan: bool) -> bytes:
    if isinstance(value, str):
        return value.encode()
    text = json.dumps(value, default=_jsonable, indent=_INDENT, sort_keys=True, allow_nan=allow_nan)
    return text.encode()


def _dumped_or_explained(value: Any, handler: str) -> bytes:
    """Return the JSON of a value with NaN in it; raise InvalidResult for all other faults."""
    of = f"handler '{handler}': " if handler else ""
    try:
        data = _dumped_by_json(value, allow_nan=True)
    except (TypeError, ValueError, RecursionError) as error:
        what = _fault(value, error)
        if not what:
            raise  # by the author's own to_json
        raise InvalidResult(type(error).__name__, f"{of}{what}") from None
    log.warning(
        "%s%s: JSON has no such number, and a client may refuse the answer; return None instead",
        of,
        _first_wrong(value, numbers=True),
    )
    return data


def _fault(value: Any, error: Exception) -> str:
    """Return where and why a result is not JSON; empty if the author's code raised the error."""
    if isinstance(error, UnicodeEncodeError):
        return (
            f"the result has half a surrogate pair at character {error.start}, which is not "
            "UTF-8: encode emoji as a whole"
        )
    try:
        what = _first_wrong(value, numbers=False)
    except Exception:
        return ""
    if not what and isinstance(error, RecursionError):
        return "result is nested too deeply to be JSON: return a flatter one"
    return what


def _first_wrong(value: Any, *, numbers: bool) -> str:
    """Return the place of the first wrong value and what is wrong with it; empty if none is.

    ``numbers`` looks for NaN and infinity, else these pass.
    """
    levels: list[_Children] = [iter([("result", value)])]
    steps: list[str] = []
    parents: dict[int, Any] = {}  # what contains the value now looked at, outermost first
    while levels:
        step, item = next(levels[-1], ("", None))
        if not step:
            levels.pop()
            if steps:
                steps.pop()
                parents.popitem()
            continue
        place = "".join([*steps, step])
        if id(item) in parents:
            return f"{_cut(place)} contains itself, which JSON cannot: leave it out"
        if len(levels) > sys.getrecursionlimit():
            return f"{_cut(place)} is nested too deeply to be JSON: return a flatter result"
        found = _wrong_number(item) if numbers else _wrong_keys(item) or _too_long(item)
        children = _children(item)
        if found or children is None:
            return f"{_cut(place)} {found or _not_serializable(item)}"
        steps.append(step)
        parents[id(item)] = item
        levels.append(children)
    return ""


def _children(value: Any) -> _Children | None:
    """Return the parts of a value, each with its step in the place; None for what JSON has not."""
    if value is None or isinstance(value, str | int | float | decimal.Decimal | datetime.date):
        return iter(())
    if isinstance(value, dict):
        return iter([(f"[{_cut(repr(key), 60)}]", value[key]) for key in _in_order(value)])
    if isinstance(value, list | tuple):
        return ((f"[{index}]", item) for index, item in enumerate(value))
    if hasattr(value, "to_json"):
        return iter([(".to_json()", value.to_json())])
    if isinstance(value, enum.Enum):
        return iter([(".value", value.value)])
    return _fields_of(value)


def _fields_of(value: Any) -> _Children | None:
    """Return the fields of an object, of a Struct that fails only those that fail."""
    names = _field_names(value)
    if names and not isinstance(value, msgspec.Struct):
        return ((f".{name}", getattr(value, name)) for name in names)
    try:
        made = _jsonable(value)
    except Exception:
        wrong = [(f".{name}", getattr(value, name)) for name in names or ()]
        return iter([field for field in wrong if not _fits_struct(field[1])]) if wrong else None
    return ((f".{name}", item) for name, item in made.items()) if names else iter(())


def _fits_struct(value: Any) -> bool:
    """Return whether a Struct may hold a value: msgspec writes more types than json does."""
    try:
        _struct_as_builtins(value)
    except Exception:
        return False
    return True


def _in_order(value: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        return list(value)


def _wrong_keys(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    wrong = next((key for key in value if not isinstance(key, _KEY_TYPES)), None)
    if wrong is not None:
        return f"has a key that is {_kind(wrong)}, and JSON's keys must be str: use text as keys"
    try:
        sorted(value)
    except TypeError:
        kinds = sorted({type(key).__name__ for key in value})
        return f"has keys of the types {' and '.join(kinds)}, which cannot be sorted: use one type"
    return ""


def _wrong_number(value: Any) -> str:
    if isinstance(value, float | decimal.Decimal) and not math.isfinite(value):
        return f"is {value}"
    return ""


def _too_long(value: Any) -> str:
    if isinstance(value, int):
        try:
            int.__repr__(value)
        except ValueError:
            return "is an int with more digits than Python writes: return it as text, by hex(...)"
    return ""


def _not_serializable(value: Any) -> str:
    fix = next(fix for kinds, fix in _FIXES if isinstance(value, kinds))
    return f"is {_kind(value)}, which is not JSON serializable: {fix}"


def _kind(value: Any) -> str:
    """Return what a value is, in words: its type, never its text, which may be long or secret."""
    if isinstance(value, type):
        return f"the class {_cut(value.__name__, 60)}"
    name = _cut(type(value).__name__, 60)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _cut(text: str, most: int = _MOST_PLACE) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def _jsonable(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, enum.Enum):
        return value.value
    return _by_fields(value)


def _by_fields(value: Any) -> Any:
    """Return the fields of an object, under the names that they have in JSON."""
    import uuid  # noqa: PLC0415 - it costs a start what few results need

    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return _struct_as_builtins(value)
    names = _field_names(value)
    if names is not None:
        return {name: getattr(value, name) for name in names}
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{_kind(value)} is not JSON serializable")


# json encodes with an indent in Python, without one in C: msgspec adds the indent afterwards
_compact = json.JSONEncoder(
    default=_jsonable, sort_keys=True, allow_nan=False, separators=(",", ":")
)


def _struct_as_builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=_OWN_TYPES, enc_hook=_jsonable)


def _field_names(value: Any) -> list[str] | None:
    """Return the names of the fields of an object that has some by its class; else None."""
    import dataclasses  # noqa: PLC0415 - it costs a start what few results need

    if isinstance(value, type):
        return None
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    if hasattr(value, "__attrs_attrs__"):
        return [field.name for field in value.__attrs_attrs__]
    return None
