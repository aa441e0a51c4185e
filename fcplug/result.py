"""What a call answers: a result as bytes, or an exception as FC's error document."""

import contextlib
import datetime
import decimal
import enum
import importlib
import json
import os
import traceback
from typing import Any

import msgspec
import pluggy

from fcplug.errors import FcplugError
from fcplug.identity import Credentials

_OWN_FILES = (
    os.path.dirname(__file__) + os.sep,
    os.path.dirname(pluggy.__file__) + os.sep,
    os.path.dirname(importlib.__file__) + os.sep,
    contextlib.__file__,
    "<frozen importlib.",
)
_OWN_TYPES = (bytes, bytearray, memoryview, datetime.datetime, datetime.date, decimal.Decimal)
_MASK = "***"
_MOST_FRAMES = 100
_SHORTEST_SECRET = 4  # characters: anything shorter is in every text by chance


class Result(msgspec.Struct, frozen=True):
    """The answer to a call: the body, and the error that it tells of if the call failed."""

    body: bytes
    error: BaseException | None = None


def encode(value: Any) -> bytes:
    """Return a handler's result as FC's built-in runtime sends it.

    ``bytes`` and ``str`` as they are, anything else as JSON of indent 4 with sorted keys; Decimal,
    date and datetime, objects with ``to_json``, dataclasses, attrs classes, msgspec Structs,
    pydantic models, enumerations and UUIDs are understood.

    Raises:
        TypeError, ValueError, RecursionError, UnicodeEncodeError: the value is not JSON.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, default=_jsonable, indent=4, sort_keys=True).encode()


def failure(error: BaseException, keys: Credentials) -> Result:
    """Return the error document of an exception, without the values of the call's keys."""
    document: dict[str, Any] = {
        "errorMessage": message_of(error),
        "errorType": error_type_of(error),
    }
    if trace := _stack_trace(error):
        document["stackTrace"] = trace
    text = json.dumps(scrubbed(document, keys), indent=4, sort_keys=True)
    return Result(text.encode(), error)


def message_of(error: BaseException) -> str:
    """Return an exception's text, whatever its ``__str__`` does."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<{type(error).__name__} whose text cannot be had: {type(broken).__name__}>"


def told(error: BaseException) -> str:
    """Return an exception's class and text in a line."""
    name, text = type(error).__name__, message_of(error)
    return f"{name}: {text}" if text else name


def causes_of(error: BaseException | None) -> list[str]:
    """Return the text of an exception and of its causes, each line a string."""
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = traceback.format_exception_only(type(error), error)
        if isinstance(error, SyntaxError):  # FC lists the first line's parts one by one
            text = [part for line in text[:1] for part in line.split(",")] + text[1:]
        lines += [line.strip() for part in text for line in part.splitlines()]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines


def error_type_of(error: BaseException) -> str:
    """Return what the error document calls an exception: its class, or the load error's kind."""
    return error.error_type if isinstance(error, FcplugError) else type(error).__name__


def explain(error: BaseException) -> str:
    """Return an error for the log: the chain of exceptions with the plugin author's frames only."""
    if not isinstance(error, FcplugError):
        return _traceback(error, keep_own=True)
    if error.explained:
        return error.explained
    cause = error.__cause__
    return f"{error}\n{_traceback(cause, keep_own=False)}" if cause else str(error)


def scrubbed(value: Any, keys: Credentials) -> Any:
    """Return text, or lists and dicts of text, with the values of the call's keys masked."""
    if isinstance(value, str):
        for secret in (keys.security_token, keys.access_key_secret, keys.access_key_id):
            if len(secret) >= _SHORTEST_SECRET:
                value = value.replace(secret, _MASK)
        return value
    if isinstance(value, dict):
        return {key: scrubbed(item, keys) for key, item in value.items()}
    return [scrubbed(item, keys) for item in value]


def is_own_file(filename: str) -> bool:
    """Tell whether a frame's file is the runtime's, not the author's."""
    return filename.startswith(_OWN_FILES)


def authors_frames(stack: traceback.StackSummary) -> str:
    """Return the frames of a stack that are the author's, without locals, for the log."""
    theirs = [frame for frame in stack if not is_own_file(frame.filename)]
    if not theirs:
        return "  no line of the function's own code"
    return "".join(traceback.StackSummary.from_list(theirs).format()).rstrip()


def _traceback(error: BaseException, *, keep_own: bool) -> str:
    """Return the traceback of the author's frames; if there are none, of ours if asked to."""
    rendered = traceback.TracebackException(type(error), error, error.__traceback__)
    pending = [rendered]
    while pending:
        link = pending.pop()
        theirs = [frame for frame in link.stack if not is_own_file(frame.filename)]
        if theirs:
            link.stack = traceback.StackSummary.from_list(theirs)
        elif not keep_own:
            link.stack = None  # type: ignore[assignment]  # no heading either
        pending += [
            *filter(None, (link.__cause__, link.__context__)),
            *(getattr(link, "exceptions", None) or ()),
        ]
    return "".join(rendered.format()).rstrip()


def _stack_trace(error: BaseException) -> list[Any]:
    """Return frames as FC lists them: file, line, name, source; load errors: flat text."""
    if isinstance(error, FcplugError):
        return list(error.causes)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not is_own_file(frame.filename)
    ]
    if len(frames) > _MOST_FRAMES:  # endless recursion: how it began and how it ended
        half = _MOST_FRAMES // 2
        frames = [*frames[:half], *frames[-half:]]
    return [
        [
            f'File "{frame.filename}"',
            f"line {frame.lineno}",
            f"in {frame.name}",
            frame.line or "",
        ]
        for frame in frames
    ]


def _jsonable(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, enum.Enum):
        return value.value
    return _told_by_fields(value)


def _told_by_fields(value: Any) -> Any:
    """Return what an object of named fields is made of, under the names that JSON has for them."""
    import dataclasses  # noqa: PLC0415 - both cost a start what few results need
    import uuid  # noqa: PLC0415

    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, builtin_types=_OWN_TYPES, enc_hook=_jsonable)
    if not isinstance(value, type):
        if dataclasses.is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if hasattr(value, "__attrs_attrs__"):
            return {field.name: getattr(value, field.name) for field in value.__attrs_attrs__}
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{value!r} is not JSON serializable")
