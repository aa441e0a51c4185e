"""Converts plain values to msgspec types, and reports every mistake in plain words.

msgspec stops at the first mistake. The own walk over the types, some 60 lines, runs only if there
is one: it reports all mistakes at once, each with its path.
"""

import functools
import json
import operator
import re
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import msgspec

from fcplug.config.interpolation import FromEnvironment
from fcplug.config.invalid import INVALID
from fcplug.config.location import Path
from fcplug.errors import did_you_mean


class ReportProblem(Protocol):
    """Takes one problem: the path of the value, the text, and the key in the value, if any."""

    def __call__(self, path: Path, what: str, key: str = "") -> None:
        """Store the problem."""


_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "array": "a list",
    "object": "a mapping",
}
_ANNOTATIONS = ("default", "description", "title")
_NUMBER = r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?"
_NARROWING = {"enum", "pattern"}
_UNIONS = (Union, types.UnionType)


def check(value: Any, kind: Any, path: Path, report: ReportProblem) -> Any:
    """Return ``value``, found at ``path``, as the type ``kind``.

    Parts that do not fit are reported, and ``INVALID`` in the result.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half a surrogate pair
        return _walk(value, kind, path, report)


def _walk(value: Any, kind: Any, path: Path, report: ReportProblem) -> Any:
    """Convert part by part, so that one mistake does not hide the next one."""
    inner = _bare(kind)
    if get_origin(inner) in _UNIONS:
        kind = _branch(value, get_args(inner))
        inner = _bare(kind)
    origin, args = get_origin(inner), get_args(inner)
    if _is_struct(inner):
        return _struct({} if value is None else value, inner, path, report)
    if value is None and origin in (dict, list, tuple):
        return origin()  # a key without a value
    if origin is dict and isinstance(value, dict):
        return _mapping(value, args, path, report)
    if value and isinstance(value, list) and (origin is list or args[1:] == (...,)):
        return origin(_walk(item, args[0], (*path, i), report) for i, item in enumerate(value))
    return _leaf(value, kind, path, report)


def _leaf(value: Any, kind: Any, path: Path, report: ReportProblem) -> Any:
    try:
        return value if value is INVALID else convert(value, kind)
    except ValueError as error:
        report(path, str(error))
        return INVALID


def convert(value: Any, kind: Any) -> Any:
    """Return ``value`` as the type ``kind``.

    Text from the environment may stand for a number or a truth value, and text for a path. A type
    that msgspec does not know gets the value unchanged.

    Raises:
        ValueError: the value does not fit; the text names the expected type.
    """
    options = get_args(_bare(kind)) if get_origin(_bare(kind)) is Literal else ()
    known = (*options, *map(str, options)) if _from_environment(value) else options
    if options and value not in known:
        words = [option for option in options if isinstance(option, str)]
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        hint = hint or _hint(value, lambda plain: plain in options)
        raise ValueError(f"expected {' or '.join(map(repr, options))}, got {_shown(value)}{hint}")
    try:
        return msgspec.convert(value, kind, strict=not _from_environment(value), dec_hook=_path)
    except msgspec.ValidationError as error:
        what = _in_words(str(error), kind)
        if isinstance(value, int | float) and ", got " not in what:
            what += f", got {value!r}"
        raise ValueError(what + _hint(value, lambda plain: _fits(plain, kind))) from None
    except (NotImplementedError, TypeError):
        return value


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, NotImplementedError, TypeError):
        return False
    return True


def _hint(value: Any, fits: Callable[[Any], bool]) -> str:
    """Return advice if a quoted number or truth value would fit without its quotes."""
    plain = _without_quotes(value)
    return ": take the quotes away" if plain != value and fits(plain) else ""


def _without_quotes(value: Any) -> Any:
    """Return the value that a quoted text would have without its quotes."""
    if not isinstance(value, str) or isinstance(value, FromEnvironment):
        return value
    if value in ("true", "false"):
        return value == "true"
    if not re.fullmatch(_NUMBER, value):
        return value
    return float(value) if "." in value else int(value)


def json_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a type for editors; ``${NAME}`` may replace any scalar."""
    schema: dict[str, Any] = msgspec.json.schema(kind)
    allow_variables(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _branch(value: Any, options: tuple[Any, ...]) -> Any:
    """Return the type of a union that a value most likely means."""
    if value is None and type(None) in options:
        return type(None)
    shape = dict if isinstance(value, dict) else list if isinstance(value, list) else None
    given = [option for option in options if option is not type(None)]
    fitting = [option for option in given if _shape(option) is shape]
    if not fitting and isinstance(value, str) and hasattr(options[0], "MAIN_KEY"):
        return options[0]  # its own error says how to write a text as a mapping
    return functools.reduce(operator.or_, fitting or options)


def _shape(kind: Any) -> type | None:
    """Return whether values of a type are mappings or lists, None for neither."""
    inner = _bare(kind)
    if _is_struct(inner):
        return dict
    return next((shape for shape in (dict, list) if get_origin(inner) is shape), None)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _struct(value: Any, kind: type[msgspec.Struct], path: Path, report: ReportProblem) -> Any:
    if value is INVALID:
        return value
    if not isinstance(value, dict):
        report(path, f"expected a mapping, got {_shown(value)}{_spelled_out(value, kind, path)}")
        return INVALID
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in value.keys() - fields.keys():
        hint = _nested(key, kind) or did_you_mean(key, fields)
        report(path, f"unknown key '{key}'{hint}", key)
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = _walk(value[name], field.type, (*path, name), report)
        elif field.required:
            report(path, f"the key '{name}' is missing{_example(name, field.type)}")
            given[name] = INVALID
    return kind(**given)


def _nested(key: str, kind: Any) -> str:
    """Return how to write ``event.detail.type``, for a type with ``NESTED_KEYS``."""
    outer, dot, inner = key.partition(".")
    if not dot or outer not in getattr(kind, "NESTED_KEYS", ()):
        return ""
    return f": write {outer}: {{{inner}: ...}}"


def _spelled_out(value: Any, kind: Any, path: Path) -> str:
    """Return how to write a text as a mapping, for a type with a ``MAIN_KEY``."""
    main = getattr(kind, "MAIN_KEY", None)
    if not main or not path or not isinstance(value, str) or isinstance(value, FromEnvironment):
        return ""
    text = value if re.fullmatch(r"[A-Za-z_][\w./-]*", value) else json.dumps(value)
    return f": write {path[-1]}: {{{main}: {text}}}"


def _example(name: str, kind: Any) -> str:
    """Return what to write for a missing key, if that is clear."""
    options = get_args(kind)
    if get_origin(kind) is Literal and len(options) == 1:
        return f": write {name}: {options[0]} first"
    main = getattr(options[-1], "MAIN_KEY", None) if options else None
    return f": write {name}: {{hello: {{{main}: index.handler}}}}" if main else ""


def _mapping(
    value: dict[str, Any], args: tuple[Any, ...], path: Path, report: ReportProblem
) -> Any:
    checked = {}
    for key, item in value.items():
        try:
            convert(key, args[0])
        except ValueError as error:
            report(path, f"the key '{key}': {error}", key)
        checked[key] = _walk(item, args[1], (*path, key), report)
    return checked


def _from_environment(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_from_environment, value.values()))
    if isinstance(value, list):
        return any(map(_from_environment, value))
    return isinstance(value, FromEnvironment)


def _path(kind: type, value: Any) -> Any:
    from pathlib import PurePath  # noqa: PLC0415 - who asks for a path has imported it

    if not issubclass(kind, PurePath):
        raise NotImplementedError
    if not isinstance(value, str):
        raise ValueError(f"expected a path, got {_shown(value)}")
    return kind(value)


def _shown(value: Any) -> str:
    """Return a value for an error; values from the environment are not shown."""
    if isinstance(value, FromEnvironment):
        return "another value (from the environment)"
    if isinstance(value, dict):
        return _WORDS["object"]
    if isinstance(value, list):
        return _WORDS["array"]
    return "nothing" if value is None else repr(value)


def _in_words(message: str, kind: Any) -> str:
    """Return msgspec's message in plain words: ``Expected `int`, got `str` - at `$[1]```."""
    for note in get_args(kind)[1:]:
        if "matching regex" in message and isinstance(note, msgspec.Meta) and note.description:
            return f"expected {note.description}"
    message, _, at = message.partition(" - at `$")
    message = re.sub(
        r"`([^`]*)`",
        lambda match: " or ".join(_WORDS.get(name, name) for name in match[1].split(" | ")),
        message,
    )
    where = f"{at.rstrip('`').lstrip('.')}: " if at else ""
    return f"{where}{message[:1].lower()}{message[1:]}"


def allow_variables(schema: Any) -> None:
    """Let ``${NAME}`` stand for any scalar of a JSON Schema, which is changed in place."""
    if isinstance(schema, dict):
        for key, item in schema.items():
            if key != "propertyNames":
                allow_variables(item)
        if schema.get("type") in ("integer", "number", "boolean") or schema.keys() & _NARROWING:
            plain = {key: schema.pop(key) for key in list(schema) if key not in _ANNOTATIONS}
            schema["anyOf"] = [plain, {"type": "string", "pattern": r"\$\{"}]
    elif isinstance(schema, list):
        for item in schema:
            allow_variables(item)
