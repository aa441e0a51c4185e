"""What the plugins of a function say about its events and results, as JSON Schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from fcplug.plugins.event_decoding import EVENT_TYPE
from fcplug.plugins.loader import Plugins

METHOD = "__fcplug_schema__"
"""The method by which a plugin describes its function: keys ``event``, ``result`` and ``http``."""

_KEYS = ("event", "result", "http")


def described(plugins: Plugins) -> dict[str, Any]:
    """Return the schemas of a function's event and result, and its HTTP operation.

    Each plugin may add a schema, and all of them hold. A handler describes its event by the type
    that it annotates.
    """
    found: dict[str, list[Any]] = {key: [] for key in _KEYS}
    for hook in reversed(plugins.hook.invoke.get_hookimpls()):  # the outermost middleware first
        for said in _said_by(hook.function):
            for key in _KEYS:
                if said.get(key) is not None and said[key] not in found[key]:
                    found[key].append(said[key])
    return {**found, "http": next(iter(found["http"]), None)}


def _said_by(function: Any) -> Iterator[Mapping[str, Any]]:
    kind = getattr(function, EVENT_TYPE, None)
    if kind is not None and (schema := _schema_of(kind)) is not None:
        yield {"event": schema}
    while function is not None:
        describe = getattr(getattr(function, "__self__", None), METHOD, None)
        if describe is not None:
            yield describe()
            return
        function = getattr(function, "__wrapped__", None)


def _schema_of(kind: Any) -> Any:
    """Return the schema of a type, None for types that do not come from JSON."""
    if kind is str or hasattr(kind, "from_event"):
        return None
    try:
        if hasattr(kind, "model_json_schema"):
            return kind.model_json_schema()
        return msgspec.json.schema(kind)
    except (TypeError, ValueError):
        return None
