"""The outcome of a call: its body, or an exception as FC's error document and as text."""

import contextlib
import importlib
import json
import os
import re
import traceback
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import pluggy

from fcplug.content_kind import content_kind
from fcplug.errors import FcplugError
from fcplug.identity import Credentials

_PLUGGY = os.path.dirname(pluggy.__file__) + os.sep
_ANSWERING = os.path.join(os.path.dirname(__file__), "plugins", "answering.py")
_OWN_FILES = (
    os.path.dirname(__file__) + os.sep,
    _PLUGGY,
    os.path.dirname(importlib.__file__) + os.sep,
    contextlib.__file__,
    "<frozen importlib.",
)
_MASK = "***"
_MOST_BYTES = 32 * 1024  # of an error document
_CUT_NOTE = 30  # characters; at least as long as the note of a cut text
_SHORTEST_SECRET = 4  # characters: anything shorter is in every text by chance


class _Limits(NamedTuple):
    """Characters of the message and of every other text, and entries of the stack trace."""

    message: int
    text: int
    frames: int


# Tried in order. An entry has up to four texts, and JSON writes a character in 12 bytes at most.
_LIMITS = (_Limits(16_000, 500, 100), _Limits(8_000, 200, 60), _Limits(400, 30, 8))


class Result(msgspec.Struct, frozen=True):
    """The answer to a call: the body, and the error that it describes if the call failed."""

    body: bytes
    error: BaseException | None = None


def failure(error: BaseException, keys: Credentials) -> Result:
    """Return the error document of an exception, without the values of the call's keys.

    It is below 32 KiB: longer texts and stack traces are cut.
    """
    document: dict[str, Any] = {
        "errorMessage": message_of(error),
        "errorType": error_type_of(error),
    }
    if trace := _stack_trace(error):
        document["stackTrace"] = trace
    return Result(_rendered(redacted(document, keys)), error)


def _rendered(document: dict[str, Any]) -> bytes:
    """Return an error document as JSON, cut until it is below 32 KiB."""
    data = b""
    for limits in _LIMITS:
        text = json.dumps(_limited(document, limits), indent=4, sort_keys=True)
        data = text.encode()
        if len(data) < _MOST_BYTES:
            break
    return data


def _limited(document: dict[str, Any], limits: "_Limits") -> dict[str, Any]:
    limited: dict[str, Any] = {
        "errorMessage": _cut(document["errorMessage"], limits.message),
        "errorType": _cut(document["errorType"], limits.text),
    }
    if trace := document.get("stackTrace"):
        half = limits.frames // 2
        if len(trace) > limits.frames:  # endless recursion: how it began and how it ended
            trace = [*trace[:half], *trace[-half:]]
        limited["stackTrace"] = [
            _cut(entry, limits.text)
            if isinstance(entry, str)
            else [_cut(part, limits.text) for part in entry]
            for entry in trace
        ]
    return limited


def _cut(text: str, most: int) -> str:
    """Return the text cut to ``most`` characters and a note; a text cut before stays as it is."""
    if len(text) <= most + _CUT_NOTE:
        return text
    return f"{text[:most]}... ({len(text)} characters)"


def message_of(error: BaseException) -> str:
    """Return an exception's text, also where its ``__str__`` fails."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<{type(error).__name__} whose text cannot be read: {type(broken).__name__}>"


def summary(error: BaseException) -> str:
    """Return an exception's class and text in one line."""
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
        cause = error.__cause__  # it may be false as a condition, with a __len__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        error = cause
    return lines


def error_type_of(error: BaseException) -> str:
    """Return the ``errorType`` of an exception: its class, or the kind of a load error."""
    return error.error_type if isinstance(error, FcplugError) else type(error).__name__


def format_error(error: BaseException) -> str:
    """Return an error for the log: the chain of exceptions, with the author's frames only."""
    if not isinstance(error, FcplugError):
        return _traceback(error, keep_own=True)
    if error.log_text:
        return error.log_text
    cause = error.__cause__
    return f"{error}\n{_traceback(cause, keep_own=False)}" if cause is not None else str(error)


def redacted(value: Any, keys: Credentials) -> Any:
    """Return text, or lists and dicts of text, with the values of the call's keys masked."""
    if isinstance(value, str):
        secrets = (keys.security_token, keys.access_key_secret, keys.access_key_id)
        return masked(value, [each for each in secrets if len(each) >= _SHORTEST_SECRET])
    if isinstance(value, dict):
        return {key: redacted(item, keys) for key, item in value.items()}
    return [redacted(item, keys) for item in value]


def masked(text: str, secrets: Sequence[str]) -> str:
    """Return a text with these secrets masked, in their order.

    Also where they are percent-encoded: a signed URL has the security token in it.
    """
    for secret in secrets:
        text = text.replace(secret, _MASK)
    decoded = unquote(text) if "%" in text else ""
    for secret in secrets if decoded else ():
        if secret in decoded:
            text = re.sub(_escaped(secret), _MASK, text)
    return text


def _escaped(secret: str) -> str:
    """Return the pattern of a text that may have any of its characters percent-encoded."""
    return "".join(
        f"(?:{re.escape(char)}|(?i:{''.join(f'%{byte:02x}' for byte in char.encode())}))"
        for char in secret
    )


def is_own_file(filename: str) -> bool:
    """Return whether a frame's file is the runtime's, not the author's."""
    return filename.startswith(_OWN_FILES)


def user_frames(stack: traceback.StackSummary) -> str:
    """Return the author's frames of a stack, without local variables, for the log."""
    theirs = _users(stack)
    if not theirs:
        return "  no line of the function's own code"
    return "".join(traceback.StackSummary.from_list(theirs).format()).rstrip()


def _users(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Return the frames of user code, without middleware that only passed the error on.

    Such a frame is where a wrapper yields: next comes the function of pluggy that calls all hooks
    in turn, or ours that lets a wrapper answer. A wrapper that raised an error of its own is the
    last frame, or calls user code next.
    """
    return [
        frame
        for frame, next_frame in zip_longest(stack, stack[1:])
        if not is_own_file(frame.filename) and not _calls_hooks(next_frame)
    ]


def _calls_hooks(frame: traceback.FrameSummary | None) -> bool:
    if frame is None:
        return False
    by_pluggy = frame.name == "_multicall" and frame.filename.startswith(_PLUGGY)
    return by_pluggy or (frame.name == "run_wrapper" and frame.filename == _ANSWERING)


def _traceback(error: BaseException, *, keep_own: bool) -> str:
    """Return the traceback of the author's frames; with ``keep_own`` of ours, if there are none."""
    rendered = traceback.TracebackException(type(error), error, error.__traceback__)
    note = _note_on(error)
    pending = [rendered]
    while pending:
        link = pending.pop()
        theirs = _users(link.stack)
        if theirs:
            link.stack = traceback.StackSummary.from_list(theirs)
        elif not keep_own:
            link.stack = None  # type: ignore[assignment]  # no heading either
        pending += [
            *filter(None, (link.__cause__, link.__context__)),
            *(getattr(link, "exceptions", None) or ()),
        ]
    return "".join(rendered.format()).rstrip() + note


def _note_on(error: BaseException) -> str:
    """Return what was given to a JSON parser that failed, in words: the text is not for a log."""
    if not isinstance(error, json.JSONDecodeError) or not isinstance(error.doc, str | bytes):
        return ""
    size = len(error.doc)
    return f"\n  note: what was to be JSON has {size} characters: it is {content_kind(error.doc)}"


def _stack_trace(error: BaseException) -> list[Any]:
    """Return frames as FC lists them: file, line, name, source; load errors: flat text."""
    if isinstance(error, FcplugError):
        return list(error.causes)
    return [
        [
            f'File "{frame.filename}"',
            f"line {frame.lineno}",
            f"in {frame.name}",
            frame.line or "",
        ]
        for frame in _users(traceback.extract_tb(error.__traceback__))
    ]
