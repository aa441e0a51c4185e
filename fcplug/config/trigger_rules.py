"""FC's rules for the triggers of a function, each mistake with its fix."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fcplug.config.interpolation import FromEnvironment
from fcplug.config.invalid import INVALID
from fcplug.config.location import Path
from fcplug.config.model import FunctionEntry, OSSEntry, TimerEntry, TriggerEntry
from fcplug.errors import did_you_mean

Problems = Iterator[tuple[Path, str]]

EVENTS = (
    "oss:ObjectCreated:*",
    "oss:ObjectCreated:PutObject",
    "oss:ObjectCreated:PutSymlink",
    "oss:ObjectCreated:PostObject",
    "oss:ObjectCreated:CopyObject",
    "oss:ObjectCreated:InitiateMultipartUpload",
    "oss:ObjectCreated:UploadPart",
    "oss:ObjectCreated:UploadPartCopy",
    "oss:ObjectCreated:CompleteMultipartUpload",
    "oss:ObjectCreated:AppendObject",
    "oss:ObjectRemoved:*",
    "oss:ObjectRemoved:DeleteObject",
    "oss:ObjectRemoved:DeleteObjects",
    "oss:ObjectRemoved:AbortMultipartUpload",
)

_KNOWN = ("oss:ObjectCreated:", "oss:ObjectRemoved:")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_EVENT = re.compile(r"oss:[A-Za-z]+:(\*|[A-Za-z]+)")
_PAYLOAD = 4096  # characters of a timer's payload
_KEY_PART = 1023  # bytes of an object's key

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class _Field(NamedTuple):
    """A field of a time expression after the seconds; ``open``: ``?`` may stand for ``*``."""

    what: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    open: bool = False


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of the month", 1, 31, open=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 1, 7, _DAYS, open=True),
)
_EXAMPLE = "'0 30 4 * * *' is 04:30 each day"
_EVERY = re.compile(r"@every\s+([1-9][0-9]{0,5})m")
_PART = re.compile(r"(?:(\*|\?)|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,4}))?")


def mistakes(function: str, entry: FunctionEntry, given: Mapping[str, Any]) -> Problems:
    """Yield each mistake of a function's triggers; ``given`` holds them as the file has them."""
    path: Path = ("functions", function, "triggers")
    if not entry.handler and entry.phases == "hooks":
        yield path, "they send events: give the function a handler, or phases: app"
    for name, trigger in entry.triggers.items():
        yield from _of_trigger((*path, name), trigger, given[name] or {})


def _of_trigger(path: Path, entry: TriggerEntry, given: Mapping[str, Any]) -> Problems:
    if not _NAME.fullmatch(str(path[-1])):
        rule = "letters, digits, '_' and '-', at most 128, a letter or '_' first"
        yield path, f"the name of a trigger has {rule}"
    if entry is INVALID or INVALID in (entry.timer, entry.oss):
        return
    if (entry.timer is None) == (entry.oss is None) and given.keys() <= {"timer", "oss"}:
        yield path, "give either timer or oss"
    if entry.timer is not None:
        yield from _of_timer((*path, "timer"), entry.timer)
    if entry.oss is not None:
        yield from _of_bucket((*path, "oss"), entry.oss)


def _of_timer(path: Path, entry: TimerEntry) -> Problems:
    if entry.cron_expression is not INVALID:
        for what in _of_expression(entry.cron_expression):
            yield (*path, "cron_expression"), what
    if entry.payload is not INVALID and len(entry.payload) > _PAYLOAD:
        yield (*path, "payload"), f"FC takes at most {_PAYLOAD} characters"


def _of_bucket(path: Path, entry: OSSEntry) -> Problems:
    if entry.bucket is not INVALID and not _BUCKET.fullmatch(entry.bucket):
        rule = "3 to 63 lowercase letters, digits and '-', which is neither first nor last"
        yield (*path, "bucket"), f"a bucket's name has {rule}"
    for key in ("prefix", "suffix"):
        value = getattr(entry, key)
        if value is not INVALID and len(value.encode("utf-8", "replace")) > _KEY_PART:
            yield (*path, key), f"longer than an object's key can be: {_KEY_PART} bytes"
    if entry.prefix is not INVALID and entry.prefix.startswith("/"):
        yield (*path, "prefix"), "no key begins with '/': take it away"
    if entry.events is INVALID:
        return
    if not entry.events:
        yield (*path, "events"), "name at least one event, such as oss:ObjectCreated:*"
    for index, event in enumerate(entry.events):
        if event is not INVALID and (what := _of_event(event)):
            yield (*path, "events", index), what


def _of_event(event: str) -> str:
    if event in EVENTS:
        return ""
    shown = _shown(event)
    is_other = _EVENT.fullmatch(event) and not event.startswith(_KNOWN)
    if is_other:
        return ""
    near = did_you_mean(event, EVENTS) or did_you_mean(f"oss:{event}", EVENTS)
    if near:
        return f"OSS has no event {shown}{near}"
    return f"expected an event such as oss:ObjectCreated:PutObject, got {shown}"


def _of_expression(text: str) -> Iterator[str]:
    """Yield what keeps FC from taking a time expression."""
    words = text.split()
    if words and words[0].startswith("@"):
        if not _EVERY.fullmatch(text.strip()):
            yield f"expected '@every' and whole minutes, such as '@every 5m', got {_shown(text)}"
        return
    if words and words[0].upper().startswith(("CRON_TZ=", "TZ=")):
        zone = words.pop(0)
        if not re.fullmatch(r"CRON_TZ=[A-Za-z0-9_+/-]+", zone):
            yield f"expected a time zone such as CRON_TZ=Asia/Shanghai, got {_shown(zone)}"
    if len(words) != 6:
        missing = ": the first are the seconds" if len(words) == 5 else ""
        yield f"expected 6 fields, got {len(words)}{missing}; {_EXAMPLE}"
        return
    if not re.fullmatch(r"[0-5]?[0-9]", words[0]):
        yield f"seconds: FC takes one number from 0 to 59, got {_shown(words[0])}"
    for field, word in zip(_FIELDS, words[1:], strict=True):
        if wrong := _of_field(word, field):
            yield f"{field.what}: {wrong}"


def _of_field(word: str, field: _Field) -> str:
    low, high, names = field.low, field.high, field.names
    for part in word.split(","):
        found = _PART.fullmatch(part)
        if not found or (found[1] == "?" and (not field.open or found[4] or "," in word)):
            return f"{_shown(part)} is not a number, a range, a list or a step of FC's cron"
        first, last = (_number(each, low, names) for each in found.group(2, 3))
        for number, given in ((first, found[2]), (last, found[3])):
            if given and (number is None or not low <= number <= high):
                named = f", or {names[0]} to {names[-1]}" if names else ""
                return f"expected {low} to {high}{named}, got {_shown(given)}"
        is_sunday = (found[2] or "").upper() == "SUN"
        if first is not None and last is not None and last < first and not is_sunday:
            return f"the range {_shown(part)} runs backwards"
        if found[4] and not int(found[4]):
            return f"the step of {_shown(part)} is 0"
    return ""


def _number(given: str | None, low: int, names: tuple[str, ...]) -> int | None:
    if given is None:
        return None
    if given.isdecimal():
        return int(given)
    return names.index(given.upper()) + low if given.upper() in names else None


def _shown(value: str) -> str:
    return "a text from the environment" if isinstance(value, FromEnvironment) else f"'{value}'"
