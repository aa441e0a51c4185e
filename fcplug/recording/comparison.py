"""Where two answers differ: status, error type, headers, and the body by its kind."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fcplug import protocol
from fcplug.recording.ignored import Ignored, Path, shown
from fcplug.recording.record import Answer

_NOT_COMPARED = {
    "access-control-expose-headers", "connection", "content-length", "date", "keep-alive",
    "server", "transfer-encoding",
}  # fmt: skip
_MOST_LINES = 40  # of the difference of two texts
_MOST_TEXT = 2_000_000  # characters of texts that are compared line by line


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place where answers differ.

    Attributes:
        at: ``status``, ``errorType``, ``code``, ``headers.NAME``, or a path such as ``$.a[0]``.
        before, after: the values as JSON or text, None where there is none.
        lines: of texts, in place of the values: a unified difference.
    """

    at: str
    before: str | None = None
    after: str | None = None
    lines: Sequence[str] = ()


def compare(before: Answer, after: Answer, ignored: Ignored) -> Sequence[Difference]:
    """Return where two answers differ; none if they are the same.

    Bodies that are both JSON are compared by their values: spaces and the order of members make no
    difference. If only the beginning of one is known, that much of both is compared. The stack
    trace of an error is left out: every edit moves lines.
    """
    if before.error_type and after.error_type:
        ignored = ignored.and_also("$.stackTrace")
    found = [
        Difference(name, was or None, now or None)
        for name, was, now in (
            ("status", str(before.status), str(after.status)),
            ("errorType", before.error_type, after.error_type),
            ("code", before.code, after.code),
        )
        if was != now and not ignored.name(name)
    ]
    found += _headers(before, after, ignored)
    was, now = before.content, after.content
    if before.cut or after.cut:
        least = min(len(was), len(now))
        was, now = was[:least], now[:least]
    if was != now and not ignored.path(()):
        found += _bodies(was, now, ignored)
    return found


def _headers(before: Answer, after: Answer, ignored: Ignored) -> Iterator[Difference]:
    was, now = _by_name(before), _by_name(after)
    for name in dict.fromkeys([*was, *now]):
        place = f"headers.{name}"
        if was.get(name) != now.get(name) and not ignored.name(place):
            yield Difference(place, was.get(name), now.get(name))


def _by_name(answer: Answer) -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        lower = name.lower()
        if lower not in _NOT_COMPARED and not lower.startswith(protocol.PREFIX):
            found.setdefault(lower, []).append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def _bodies(before: bytes, after: bytes, ignored: Ignored) -> Iterator[Difference]:
    try:
        was, now = before.decode(), after.decode()
    except UnicodeDecodeError:
        yield Difference("$", _bytes(before), _bytes(after))
        return
    try:
        values = json.loads(was), json.loads(now)
        differences = list(_values(*values, (), ignored))
    except (ValueError, RecursionError):
        yield _texts(was, now)
        return
    yield from differences


def _bytes(content: bytes) -> str:
    return f"{len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def _texts(before: str, after: str) -> Difference:
    was, now = before.splitlines(), after.splitlines()
    if len(before) + len(after) > _MOST_TEXT:
        return Difference("$", _bytes(before.encode()), _bytes(after.encode()))
    if was == now:  # line ends
        return Difference("$", json.dumps(before[-80:]), json.dumps(after[-80:]))
    if len(was) <= 1 and len(now) <= 1:
        return Difference("$", before, after)
    lines = list(difflib.unified_diff(was, now, n=1, lineterm=""))[2:]
    if len(lines) > _MOST_LINES:
        left = len(lines) - _MOST_LINES
        lines = [*lines[:_MOST_LINES], f"... {left} more lines"]
    return Difference("$", lines=lines)


def _values(before: Any, after: Any, path: Path, ignored: Ignored) -> Iterator[Difference]:
    if ignored.path(path):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _members(before, after, name, (*path, name), ignored)
    elif isinstance(before, list) and isinstance(after, list):
        was, now = dict(enumerate(before)), dict(enumerate(after))
        for index in range(max(len(was), len(now))):
            yield from _members(was, now, index, (*path, index), ignored)
    elif not _equal(before, after):
        yield Difference(shown(path), _json(before), _json(after))


def _members(
    before: Mapping[Any, Any], after: Mapping[Any, Any], key: Any, path: Path, ignored: Ignored
) -> Iterator[Difference]:
    if key in before and key in after:
        yield from _values(before[key], after[key], path, ignored)
    elif not ignored.path(path):
        was = _json(before[key]) if key in before else None
        now = _json(after[key]) if key in after else None
        yield Difference(shown(path), was, now)


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    return bool(before == after) or _json(before) == _json(after)  # NaN is not itself


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
