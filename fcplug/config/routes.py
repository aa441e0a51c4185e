"""The keys that say where calls go: routes, and the shadows that get copies."""

import re
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

MOST_SEGMENTS = 16  # of the path of a field
_SEGMENT = r'(?:[^.\\"\x00-\x1f]|\\\.)+'

Pattern = Annotated[str, Meta(min_length=1)]
Patterns = Pattern | Annotated[list[Pattern], Meta(min_length=1)]
Weight = Annotated[int, Meta(ge=0, le=10_000)]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]  # JSON readers agree about these
Value = str | bool | float
EventValue = str | bool | Whole | float
EventField = Annotated[
    str,
    Meta(
        pattern=rf"^{_SEGMENT}(\.{_SEGMENT}){{0,{MOST_SEGMENTS - 1}}}$(?!\n)",
        description="the path of a field, such as detail.type or events.0.eventName, of at most "
        f"{MOST_SEGMENTS} keys",
    ),
]
HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9-]{1,128}$(?!\n)",
        description="the name of a header: letters, digits and '-'",
    ),
]
RequestPath = Annotated[
    str, Meta(pattern=r"^[/*?\[]", description="a path that begins with / or a wildcard")
]
Method = Annotated[
    str,
    Meta(pattern=r"^[A-Z-]{1,32}$(?!\n)", description="a method in capital letters, such as GET"),
]
MediaType = Annotated[
    str,
    Meta(
        pattern=r"^[^;\s]+$(?!\n)",
        description="a media type without parameters, such as application/json",
    ),
]

FieldPath = tuple[str | int, ...]
"""The keys that lead to a field, and as numbers the positions in lists."""

Key = tuple[str, str]
"""A key of ``match``, and in it the name of a header or the path of a field."""


class MatchEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The values that a request must have: exact, or with ``*``, ``?`` and ``[...]``."""

    NESTED_KEYS: ClassVar[tuple[str, ...]] = ("event", "header")

    function: Patterns | None = None
    handler: Patterns | None = None
    qualifier: Patterns | None = None
    event: Annotated[
        dict[EventField, EventValue | Annotated[list[EventValue], Meta(min_length=1)]],
        Meta(description="fields of a JSON event, such as detail.type, and their values"),
    ] = {}
    header: Annotated[
        dict[HeaderName, Patterns], Meta(description="headers of the call, and their values")
    ] = {}
    path: Annotated[
        RequestPath | Annotated[list[RequestPath], Meta(min_length=1)] | None,
        Meta(description="the path of a web request"),
    ] = None
    method: Annotated[
        Method | Annotated[list[Method], Meta(min_length=1)] | None,
        Meta(description="the method of a web request"),
    ] = None
    content_type: Annotated[
        MediaType | Annotated[list[MediaType], Meta(min_length=1)] | None,
        Meta(description="the media type of the event or of the web request's body"),
    ] = None

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The values that the call's names must have, by key."""
        wanted = {key: _texts(getattr(self, key)) for key in ("function", "handler", "qualifier")}
        return {key: values for key, values in wanted.items() if values}

    @property
    def content(self) -> dict[Key, tuple[Value, ...]]:
        """The values that all else of the call must have; the event's fields come last."""
        wanted: dict[Key, tuple[Value, ...]] = {
            ("method", ""): _texts(self.method),
            ("path", ""): _texts(self.path),
            ("content_type", ""): tuple(text.lower() for text in _texts(self.content_type)),
        }
        for name, values in self.header.items():
            wanted["header", name.lower()] = _texts(values)
        for path, given in self.event.items():
            wanted["event", path] = tuple(
                float(value) if isinstance(value, int) and not isinstance(value, bool) else value
                for value in (given if isinstance(given, list) else [given])
            )
        return {key: values for key, values in wanted.items() if values}


class RouteEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that chooses the function; the first rule that matches decides."""

    match: MatchEntry
    to: Annotated[
        str | dict[str, Weight],
        Meta(description="a function, or functions with weights, split by request id; 0 for none"),
    ]


class ShadowEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A second function that gets copies of a function's events; its answers are compared."""

    MAIN_KEY: ClassVar[str] = "to"

    to: Annotated[str, Meta(description="the function that gets the copies")]
    share: Annotated[
        Annotated[float, Meta(gt=0, le=100, extra={"unit": "percent"})],
        Meta(description="percent of the events that are copied, chosen by request id"),
    ] = 100
    timeout: Annotated[
        Annotated[float, Meta(gt=0, le=3600, extra={"unit": "seconds"})],
        Meta(description="seconds a copy may take"),
    ] = 10.0
    wait: Annotated[
        Annotated[float, Meta(ge=0, le=60, extra={"unit": "seconds"})],
        Meta(
            description="seconds that the answer may wait for the copy, which then begins at once"
        ),
    ] = 0.0
    credentials: Annotated[
        bool, Meta(description="whether the copy has the credentials of the call")
    ] = False


def _texts(given: str | list[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list) else (given,)


def field_path(text: str) -> FieldPath:
    r"""Return the keys of a path; ``\.`` is a dot that belongs to a key."""
    return tuple(
        int(part) if re.fullmatch("[0-9]{1,2}", part) else part.replace(r"\.", ".")
        for part in re.findall(_SEGMENT, text)
    )
