"""FC's rules for the triggers of a function, each mistake with its fix."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fcplug import cron
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
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
_BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_EVENT = r"oss:[A-Za-z]+:(\*|[A-Za-z]+)"
_PAYLOAD = 4096  # characters of a timer's payload
_KEY_PART = 1023  # bytes of an object's key


def mistakes(function: str, entry: FunctionEntry, given: Mapping[str, Any]) -> Problems:
    """Yield each mistake of a function's triggers; ``given`` holds them as the file has them."""
    path: Path = ("functions", function, "triggers")
    if not entry.handler and entry.phases == "hooks":
        yield path, "they send events: give the function a handler, or phases: app"
    for name, trigger in entry.triggers.items():
        yield from _of_trigger((*path, name), trigger, given[name] or {})


def _of_trigger(path: Path, entry: TriggerEntry, given: Mapping[str, Any]) -> Problems:
    if not re.fullmatch(_NAME, str(path[-1])):
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
        hidden = isinstance(entry.cron_expression, FromEnvironment)
        for what in cron.mistakes(entry.cron_expression):
            yield (*path, "cron_expression"), what.partition(", got ")[0] if hidden else what
    if entry.payload is not INVALID and len(entry.payload) > _PAYLOAD:
        yield (*path, "payload"), f"FC takes at most {_PAYLOAD} characters"


def _of_bucket(path: Path, entry: OSSEntry) -> Problems:
    if entry.bucket is not INVALID and not re.fullmatch(_BUCKET, entry.bucket):
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
    is_other = re.fullmatch(_EVENT, event) and not event.startswith(_KNOWN)
    if is_other:
        return ""
    near = did_you_mean(event, EVENTS) or did_you_mean(f"oss:{event}", EVENTS)
    if near:
        return f"OSS has no event {shown}{near}"
    return f"expected an event such as oss:ObjectCreated:PutObject, got {shown}"


def _shown(value: str) -> str:
    return "a text from the environment" if isinstance(value, FromEnvironment) else f"'{value}'"
