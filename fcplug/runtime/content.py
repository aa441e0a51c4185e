"""What routes may ask of a call besides its names: a part of it is read when a rule asks for it."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fcplug import protocol
from fcplug.config.routes import FieldPath, Key, MatchEntry, Value, field_path
from fcplug.context import Context
from fcplug.runtime.event_fields import EventFields, agrees

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


_MOST_SHOWN = 80  # characters of a value in an explanation


class Condition(NamedTuple):
    """One key of ``match``, compiled; ``path`` is that of a field of the event."""

    key: Key
    wanted: tuple[Value, ...]
    regex: str
    pattern: re.Pattern[str] | None
    plain: frozenset[tuple[type, Value]]
    path: FieldPath

    def fits(self, given: Value | None) -> bool:
        """Return whether a value is one of those wanted; a missing one never is."""
        if isinstance(given, str):
            return self.pattern is not None and self.pattern.fullmatch(given) is not None
        return (type(given), given) in self.plain


def conditions(match: MatchEntry) -> tuple[Condition, ...]:
    """Return the conditions of a route, those that are quick to check first."""
    return tuple(_condition(key, wanted) for key, wanted in match.content.items())


def _condition(key: Key, wanted: tuple[Value, ...]) -> Condition:
    texts = [fnmatch.translate(value) for value in wanted if isinstance(value, str)]
    regex = rf"\A(?:{'|'.join(texts)})"
    return Condition(
        key,
        wanted,
        regex,
        re.compile(regex) if texts else None,
        frozenset((type(value), value) for value in wanted if not isinstance(value, str)),
        field_path(key[1]) if key[0] == "event" else (),
    )


class Content:
    """A call as the conditions see it.

    Args:
        context: of the call, with its headers.
        fields: reads the fields that some rule asks for.
        event: the event, None for web requests and lifecycle calls.
        request: the web request, None for all other calls.
    """

    def __init__(
        self,
        context: Context,
        fields: EventFields,
        event: bytes | None,
        request: "WSGIEnvironment | None",
    ) -> None:
        self._context = context
        self._fields = fields
        self._event = event
        self._request = request
        self._values: Mapping[FieldPath, Value] | None = None
        self._ambiguous = False

    def meets(self, wanted: Sequence[Condition]) -> bool:
        """Return whether the call meets all conditions."""
        return next(self.unmet(wanted), None) is None

    def unmet(self, wanted: Sequence[Condition]) -> Iterator[Condition]:
        """Yield the conditions that the call does not meet."""
        missed = False
        for condition in wanted:
            if not condition.fits(self.given(condition)):
                missed = True
                yield condition
        if not missed:
            yield from (each for each in wanted if each.path and not self._agrees(each))

    def given(self, condition: Condition) -> Value | None:
        """Return what the call has where a condition looks, None if that is nothing."""
        kind, name = condition.key
        if kind == "event":
            return self._field(condition.path)
        if kind == "header":
            return self._context.header(name) or None
        if kind == "content_type":
            return self._context.header("content-type").partition(";")[0].strip().lower() or None
        if self._request is None:
            return None
        return self._method() if kind == "method" else self._path()

    def why(self, condition: Condition) -> str:
        """Return in words why the call does not meet a condition; shows a value of the call."""
        kind, name = condition.key
        what = f"{kind.replace('_', ' ')} {name}".strip()
        asked = " or ".join(map(_shown, condition.wanted))
        if kind == "event" and self._ambiguous:
            return f"{what}: the event has a key on its way twice, with different values"
        given = self.given(condition)
        if given is None:
            if kind in ("path", "method") and self._request is None:
                return f"not a web request (it asks for the {what} {asked})"
            if kind == "event" and self._event is None:
                return f"a web request has no event (it asks for {what} {asked})"
            return f"no {what} (it asks for {asked})"
        return f"{what} {_shown(given, quoted=True)} is not {asked}"

    def _field(self, path: FieldPath) -> Value | None:
        if self._event is None or self._ambiguous:
            return None
        if self._values is None:
            self._values = self._fields.read(self._event)
        return self._values.get(path)

    def _agrees(self, condition: Condition) -> bool:
        """Return whether a field that fits does so for every reader; if not, no field counts."""
        value = self._field(condition.path)
        if self._event is None or value is None:
            return False
        wanted = condition.regex if isinstance(value, str) else value
        self._ambiguous = not agrees(self._event, condition.path, wanted)
        return not self._ambiguous

    def _method(self) -> str:
        method: str = (self._request or {})["REQUEST_METHOD"]
        return method

    def _path(self) -> str:
        """Return the path as the application sees it, as text."""
        request = self._request or {}
        path: str = request["PATH_INFO"]
        prefix = protocol.proxy_prefix(
            path,
            self._context.header(protocol.SERVICE_NAME),
            self._context.header(protocol.FUNCTION_NAME),
        )
        return path[len(prefix) :].encode("latin-1").decode("utf-8", "replace")


def _shown(value: Value, *, quoted: bool = False) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f"'{value[:_MOST_SHOWN]}'" if quoted else value


ContentOf = Callable[[Context, "bytes | None", "WSGIEnvironment | None"], Content]


def reader(rules: Iterable[Sequence[Condition]]) -> ContentOf:
    """Return what makes the content of a call, for the conditions of these rules."""
    fields = EventFields(each.path for rule in rules for each in rule if each.path)

    def content_of(
        context: Context, event: bytes | None, request: "WSGIEnvironment | None"
    ) -> Content:
        return Content(context, fields, event, request)

    return content_of
