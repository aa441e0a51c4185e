"""The usable parts of a configuration that has problems, for tools that check them."""

from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields, replace

from fcplug.config.invalid import INVALID
from fcplug.config.model import DefaultsEntry, File, FunctionEntry, RuntimeEntry
from fcplug.config.routes import RouteEntry

_NEEDED = ("handler", "wsgi", "asgi", "settings", "middleware")
_Entry = TypeVar("_Entry", bound=Struct)


def sound(file: File) -> File | None:
    """Return a file without its wrong functions and routes, None if no function is left.

    Every other wrong value is replaced by its default.
    """
    if file is INVALID or file.functions is INVALID:
        return None
    functions = {
        name: _with_defaults(entry, FunctionEntry())
        for name, entry in file.functions.items()
        if _is_usable(entry)
    }
    if not functions:
        return None
    routes = [] if file.routes is INVALID else file.routes
    return File(
        version=1,
        functions=functions,
        runtime=_with_defaults(file.runtime, RuntimeEntry()),
        defaults=_with_defaults(file.defaults, DefaultsEntry()),
        routes=[route for route in routes if _leads_to(route, functions)],
        default=file.default if file.default in functions else None,
    )


def _is_usable(entry: FunctionEntry) -> bool:
    if entry is INVALID or any(_is_wrong(getattr(entry, key)) for key in _NEEDED):
        return False
    return bool(entry.handler or entry.wsgi or entry.asgi)


def _leads_to(route: RouteEntry, functions: dict[str, FunctionEntry]) -> bool:
    if _is_wrong(route) or any(map(_is_wrong, (route.match, route.to))) or not route.to:
        return False
    return (
        {route.to} <= functions.keys()
        if isinstance(route.to, str)
        else (route.to.keys() <= functions.keys() and any(route.to.values()))
    )


def _with_defaults(entry: _Entry, defaults: _Entry) -> _Entry:
    if entry is INVALID:
        return defaults
    wrong = [f.name for f in fields(entry) if _is_wrong(getattr(entry, f.name))]
    return replace(entry, **{name: getattr(defaults, name) for name in wrong})


def _is_wrong(value: Any) -> bool:
    """Return whether a value is wrong, or holds one that is."""
    if isinstance(value, dict):
        return any(map(_is_wrong, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_wrong, value))
    if isinstance(value, Struct):
        return any(_is_wrong(getattr(value, field.name)) for field in fields(value))
    return value is INVALID
