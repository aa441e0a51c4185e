"""A configuration of one function, made of what a test names."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, TypedDict

from fcplug.plugins.hooks import name_of

Kind = Literal["handler", "wsgi", "asgi"]

FILE = "<Runner>"  # what errors call the configuration


class Options(TypedDict, total=False):
    """The keys of a function in ``functions.yaml`` that a test may set: its ``options``.

    Code may be given as its object instead of its name.
    """

    settings: Mapping[str, Any]
    middleware: Sequence[Any]
    timeout: float | None
    concurrency: int | None
    queue: int
    expose_credentials: bool
    initializer: Any
    pre_freeze: Any
    pre_stop: Any


class Objects:
    """Gives names to objects, by which ``functions.yaml`` can name them.

    What a module holds has one already. For others there is a module of its own.
    """

    def __init__(self) -> None:
        self._module = ModuleType(f"objects_of_runner_{id(self):x}")
        self._names: dict[int, str] = {}

    def name(self, thing: Any) -> str:
        """Return ``module:attribute`` of an object; a text is returned as it is."""
        if isinstance(thing, str):
            return thing
        return own_name(thing) or f"{self._module.__name__}:{self._given_name(thing)}"

    def close(self) -> None:
        """Forget the objects."""
        sys.modules.pop(self._module.__name__, None)

    def _given_name(self, thing: Any) -> str:
        sys.modules[self._module.__name__] = self._module
        if id(thing) not in self._names:
            words = re.sub(r"\W+", "_", name_of(thing)).strip("_") or "object"
            name = f"{words}_{len(self._names)}" if hasattr(self._module, words) else words
            setattr(self._module, name, thing)  # which keeps it, and so its id
            self._names[id(thing)] = name
        return self._names[id(thing)]


def compose(function: Any, kind: Kind, options: Mapping[str, Any], objects: Objects) -> str:
    """Return the text of a configuration whose one function answers every call.

    Raises:
        TypeError: the options hold what ``functions.yaml`` cannot.
        ValueError: an object is to run in another process, which does not have it.
    """
    named = isinstance(function, str) or own_name(function)
    if options.get("isolation") == "process" and not named:
        raise ValueError(
            f"isolation: process cannot run {name_of(function)!r}, which no module holds: another "
            "process has to import it by its name"
        )
    entry: dict[str, Any] = {kind: objects.name(function)}
    for key, value in options.items():
        if key == "middleware":
            entry[key] = [_middleware(item, objects) for item in value]
        elif key in ("initializer", "pre_freeze", "pre_stop"):
            entry[key] = objects.name(value)
        else:
            entry[key] = value
    name = _function_name(entry[kind])
    document = {
        "version": 1,
        "functions": {name: entry},
        "routes": [{"match": {"function": "*"}, "to": name}],
    }
    try:
        return json.dumps(document, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the options of a function are what functions.yaml can hold, and {error}: use texts, "
            "numbers, true and false, lists and mappings"
        ) from None


def _middleware(item: Any, objects: Objects) -> Any:
    if isinstance(item, Mapping):
        return {**item, "name": objects.name(item.get("name", ""))}
    return objects.name(item)


def own_name(thing: Any) -> str:
    """Return the name of what a module holds, empty for other objects."""
    module = getattr(thing, "__module__", None) or ""
    names = str(getattr(thing, "__qualname__", ""))
    if not all(map(str.isidentifier, [*module.split("."), *names.split(".")])):
        return ""
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    return f"{module}:{names}" if found is thing else ""


def _function_name(reference: str) -> str:
    """Return a function name like that of its handler."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", reference.rpartition(":")[2]).lstrip(".-")
    return name[:128] or "function"
