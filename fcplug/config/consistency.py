"""The rules of ``functions.yaml`` that involve more than one value.

A value that is wrong on its own is ``INVALID`` here: it is already reported, so no rule repeats it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import fields

from fcplug import protocol
from fcplug.config.interpolation import FromEnvironment
from fcplug.config.invalid import INVALID
from fcplug.config.location import Path
from fcplug.config.model import (
    DefaultsEntry,
    File,
    FunctionEntry,
    RuntimeEntry,
    WorkersEntry,
)
from fcplug.config.routes import MatchEntry, RouteEntry, ShadowEntry
from fcplug.config.scale import ScaleEntry
from fcplug.errors import did_you_mean

Problems = Iterator[tuple[Path, str]]

_HOOK_KEYS = ("handler", "initializer", "pre_freeze", "pre_stop")
_AUTOMATIC = ("min", "max", "target", "up_after", "down_after")  # keys of a number that varies
_ANSWER_KEYS = ("handler", "wsgi", "asgi")
# keys that contradict nothing in a function that has a handler
_PEACEFUL = frozenset(["handler", "middleware", "settings", "timeout", "concurrency", "queue"])
_FUNCTION_KEYS = {field.encode_name for field in fields(FunctionEntry)}
_MATCH_KEYS = {field.encode_name for field in fields(MatchEntry)}


def contradictions(file: File, given: Mapping[str, Any]) -> Problems:
    """Yield each contradiction with its path; ``given`` holds the values of the file itself."""
    if file.runtime is not INVALID:
        yield from _check_runtime(file.runtime)
    if file.defaults is not INVALID:
        yield from _check_scale(("defaults", "scale"), file.defaults.scale)
    if file.functions is not INVALID:
        yield from _check_functions(file, given["functions"] or {})
        yield from _check_pools(file, given["functions"] or {})
    if file.routes is not INVALID:
        yield from _check_routes(file, given.get("routes") or [])
    if file.default not in (None, INVALID):
        yield from _check_name(file.default, file, ("default",))


def _check_runtime(runtime: RuntimeEntry) -> Problems:
    auth = runtime.auth
    if auth in (None, INVALID) or INVALID in (auth.tokens, auth.keys):
        return
    if bool(auth.tokens) == bool(auth.keys):
        yield ("runtime", "auth"), "give either tokens or keys"


def _check_functions(file: File, given: Mapping[str, Any]) -> Problems:
    if not file.functions:
        yield ("functions",), "at least one function is needed"
    for name, entry in file.functions.items():
        if entry is INVALID or (entry.handler and given[name].keys() <= _PEACEFUL):
            continue
        yield from _check_worker_keys(name, entry, file.defaults)
        yield from _check_phases(name, entry, file)
        if entry.shadow not in (None, INVALID):
            yield from _check_shadow(name, entry, file)
        if entry.triggers not in ({}, INVALID):
            from fcplug.config import trigger_rules  # noqa: PLC0415 - few functions need it

            yield from trigger_rules.mistakes(name, entry, given[name]["triggers"])
        yield from _check_scale(("functions", name, "scale"), entry.scale)
        for key, what in _check_answers(entry, given[name] or {}):
            yield ("functions", name, key) if key else ("functions", name), what
        own = "middleware" in (given[name] or {})
        source = entry if own else file.defaults
        if source is not INVALID and source.middleware not in ((), INVALID):
            yield from _check_middleware(name, entry)


def _check_worker_keys(name: str, entry: FunctionEntry, defaults: DefaultsEntry) -> Problems:
    if defaults is INVALID or entry.isolation != "thread" or defaults.isolation != "thread":
        return
    for key in WorkersEntry.__struct_fields__:
        if getattr(entry, key) not in (None, INVALID):
            yield ("functions", name, key), "needs isolation: process"


def _check_phases(name: str, entry: FunctionEntry, file: File) -> Problems:
    """Yield the keys that contradict ``phases: app``."""
    if entry.phases != "app":
        return
    path: Path = ("functions", name)
    if not (entry.wsgi or entry.asgi):
        yield (*path, "phases"), "app needs wsgi or asgi"
    for key in _HOOK_KEYS:
        if getattr(entry, key) not in (None, INVALID):
            yield (*path, key), "phases: app gives all calls to the application; remove one of them"
    several = "app is for one process: FC sends a lifecycle call once, and it would reach only one"
    if file.runtime is not INVALID and file.runtime.processes not in (1, INVALID):
        yield (*path, "phases"), f"{several} of runtime.processes"
    workers = entry.workers or (None if file.defaults is INVALID else file.defaults.workers)
    if workers not in (None, 1, INVALID):
        yield (*path, "phases"), f"{several} of its workers"


def _check_shadow(name: str, entry: FunctionEntry, file: File) -> Problems:
    path: Path = ("functions", name, "shadow")
    to = entry.shadow
    if isinstance(to, ShadowEntry):
        to, path = to.to, (*path, "to")
    if to is None or to is INVALID:
        return
    yield from _check_name(to, file, path)
    if to == name:
        yield path, "a function cannot be its own shadow: name another one"
    for each in (entry, file.functions.get(to)):
        if each not in (None, INVALID) and each.handler is None:
            whose = "this function" if each is entry else f"'{to}'"
            yield path, f"events are copied, and {whose} has no handler that answers events"


def _check_scale(path: Path, scale: ScaleEntry | None) -> Problems:
    """Yield the keys of a ``scale`` that contradict each other."""
    if scale in (None, INVALID):
        return
    automatic = [key for key in _AUTOMATIC if getattr(scale, key) not in (None, INVALID)]
    if scale.replicas not in (None, INVALID) and automatic:
        yield (*path, "replicas"), f"is a fixed number, and '{automatic[0]}' is not: remove one"
    elif scale.max is None and automatic:
        yield (*path, automatic[0]), "needs max"
    elif INVALID not in (scale.min, scale.max) and (scale.min or 0) > (scale.max or 0) > 0:
        yield (*path, "min"), f"is {scale.min}, above max, which is {scale.max}"


def _check_pools(file: File, given: Mapping[str, Any]) -> Problems:
    """Yield each function of a pool whose ``scale`` differs from the first one's of the pool."""
    first: dict[str, tuple[str, ScaleEntry]] = {}
    for name, entry in file.functions.items():
        if entry is INVALID:
            continue
        own = "scale" in (given[name] or {}) or file.defaults is INVALID
        scale = entry.scale if own else file.defaults.scale
        if scale in (None, INVALID) or scale.pool in (None, INVALID):
            continue
        other, same = first.setdefault(scale.pool, (name, scale))
        if same != scale:
            what = f"differs from the one of '{other}', and a pool has one: '{scale.pool}'"
            yield ("functions", name, "scale"), what


def _check_answers(entry: FunctionEntry, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield mistakes in what answers a function's calls, each with its key."""
    unknown = given.keys() - _FUNCTION_KEYS
    answered = entry.handler or entry.wsgi or entry.asgi
    if not (answered or any(did_you_mean(key, _ANSWER_KEYS) for key in unknown)):
        yield "", "nothing answers its calls: give handler, wsgi or asgi"
    if entry.wsgi and entry.asgi:
        yield "asgi", "a function has one application: give wsgi or asgi"
    if entry.expose_credentials is True and not (entry.wsgi or entry.asgi):
        yield "expose_credentials", "needs wsgi or asgi"


def _check_middleware(name: str, entry: FunctionEntry) -> Problems:
    if not entry.handler and (entry.wsgi or entry.asgi):
        fix = "give middleware: [], and wrap the application itself"
        what = f"middleware wraps events, and would not wrap this application: {fix}"
        yield ("functions", name, "wsgi" if entry.wsgi else "asgi"), what


def _check_routes(file: File, given: list[Any]) -> Problems:
    for index, route in enumerate(file.routes):
        if route is INVALID:
            continue
        path: Path = ("routes", index)
        if route.match == MatchEntry() and not _has_unknown_keys(given[index]["match"]):
            *keys, last = MatchEntry.__struct_fields__
            what = f"give {', '.join(keys)} or {last}; default takes the rest"
            yield (*path, "match"), what
        yield from _check_headers(route.match, (*path, "match", "header"))
        yield from _check_targets(route, file, (*path, "to"))


def _check_headers(match: MatchEntry, path: Path) -> Problems:
    """Yield the headers that a route must not ask for, or asks for twice."""
    if match is INVALID or match.header is INVALID:
        return
    seen: set[str] = set()
    for name in match.header:
        if name.lower() in protocol.CREDENTIAL_HEADERS:
            yield (*path, name), "a credential does not belong in this file: ask for something else"
        if name.lower() in seen:
            yield (*path, name), "given twice: capitals do not count in the name of a header"
        seen.add(name.lower())


def _has_unknown_keys(match: Any) -> bool:
    """Return whether an empty match has a misspelled key, which is already reported."""
    return isinstance(match, Mapping) and not match.keys() <= _MATCH_KEYS


def _check_targets(route: RouteEntry, file: File, path: Path) -> Problems:
    if route.to is INVALID:
        return
    if not route.to:
        yield path, "name at least one function"
    elif isinstance(route.to, str):
        yield from _check_name(route.to, file, path)
    else:
        for target in route.to:
            yield from _check_name(target, file, (*path, target))
        if not any(route.to.values()):
            yield path, "every weight is 0: give at least one function a weight above 0"


def _check_name(name: str, file: File, path: Path) -> Problems:
    if file.functions is INVALID or name in file.functions:
        return
    secret = isinstance(name, FromEnvironment)
    which = "of the name that the environment gives" if secret else f"'{name}'"
    yield path, f"no function {which}{did_you_mean(name, file.functions)}"
