"""Routes that can never match: an earlier one takes their calls, or they contradict themselves."""

import fnmatch
from collections.abc import Iterator, Mapping

from fcplug.config.loader import Config
from fcplug.config.routes import FieldPath, Key, MatchEntry, Value, field_path
from fcplug.errors import Problem

_WILDCARDS = "*?["
_Wanted = Mapping[Key, tuple[Value, ...]]


def unreachable(config: Config) -> Iterator[Problem]:
    """Yield each route that can never match, at its place in the file."""
    wanted = [_wanted(route.match) for route in config.routes]
    for index, special in enumerate(wanted):
        why = _contradiction(special) or next(
            (
                f"routes[{earlier}] comes first, and takes all of its calls"
                for earlier, general in enumerate(wanted[:index])
                if all(_covers_all(key, texts, special) for key, texts in general.items())
            ),
            "",
        )
        if why:
            yield config.document.problem(("routes", index), f"never matches: {why}")


def _wanted(match: MatchEntry) -> _Wanted:
    names = {(key, ""): texts for key, texts in match.names.items()}
    return {**names, **match.content}


def _contradiction(wanted: _Wanted) -> str:
    """Return why no call can meet all conditions of a route, "" if one can."""
    fields = {field_path(name): name for kind, name in wanted if kind == "event"}
    of_web = [kind for kind, _ in wanted if kind in ("path", "method")]
    if fields and of_web:
        return f"only web requests have a {of_web[0]}, and only other calls have an event"
    for path, name in fields.items():
        for other, other_name in fields.items():
            if other != path and other[: len(path)] == path:
                return f"'{name}' cannot be a value and hold '{other_name}'"
            if _list_and_object(path, other):
                return f"'{name}' is in a list where '{other_name}' is in an object"
    return ""


def _list_and_object(path: FieldPath, other: FieldPath) -> bool:
    """Return whether the same value is a list to one path, and an object to another."""
    differing = ((a, b) for a, b in zip(path, other, strict=False) if a != b)
    here, there = next(differing, ("", ""))
    return isinstance(here, int) and isinstance(there, str)


def _covers_all(key: Key, general: tuple[Value, ...], special: _Wanted) -> bool:
    """Return whether it is certain that a condition is met by all calls of another route."""
    if key[0] in ("function", "handler", "qualifier") and any(
        isinstance(text, str) and not text.strip("*") for text in general
    ):
        return True  # matches an absent name, too
    given = special.get(key)
    return given is not None and all(
        any(_covers(one, another) for one in general) for another in given
    )


def _covers(general: Value, special: Value) -> bool:
    """Return whether it is certain that a value matches all that another one does."""
    if not (isinstance(general, str) and isinstance(special, str)):
        return type(general) is type(special) and general == special
    if not any(char in special for char in _WILDCARDS):
        return fnmatch.fnmatchcase(special, general)
    prefix = general.removesuffix("*")
    is_prefix = prefix != general and not any(char in prefix for char in _WILDCARDS)
    return general == special or (is_prefix and special.startswith(prefix))
