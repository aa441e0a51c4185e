"""The JSON Schema of ``functions.yaml`` with the plugins that are installed right now."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from fcplug.config import loader
from fcplug.inspection.installed import Plugin, plugins
from fcplug.inspection.process import Progress

_CODE = {
    "type": "string",
    "pattern": r"[.:]|\$\{",
    "description": "code: module:attribute or module.attribute",
}
_LIMIT = 60.0  # seconds that one plugin may take to be imported


def installed_schema(progress: Progress) -> tuple[dict[str, Any], list[Plugin]]:
    """Return the schema, and the plugins whose settings are unknown since they are broken.

    Names of handlers, middleware, applications and observers are those that are installed, each
    with its description; the settings of each have their types. Plugins are imported in another
    process.
    """
    found = plugins(None, limit=_LIMIT, progress=progress)
    schema: dict[str, Any] = json.loads(loader.json_schema())
    definitions = schema["$defs"]
    function = definitions["FunctionEntry"]
    for kind in ("handler", "wsgi", "asgi"):
        _offer(function["properties"][kind], _of_kind(found, kind))
    middleware = _of_kind(found, "middleware")
    for entry in ("FunctionEntry", "DefaultsEntry"):
        _offer(definitions[entry]["properties"]["middleware"]["items"], middleware)
    _offer(definitions["MiddlewareEntry"]["properties"]["name"], middleware)
    observers = _of_kind(found, "observer")
    _offer(definitions["RuntimeEntry"]["properties"]["observers"]["items"], observers)
    _offer(definitions["ObserverEntry"]["properties"]["name"], observers)
    for entry, offered, key in (
        (function, _of_kind(found, "handler"), "handler"),
        (definitions["MiddlewareEntry"], middleware, "name"),
        (definitions["ObserverEntry"], observers, "name"),
    ):
        if rules := list(_rules(offered, key)):
            entry["allOf"] = rules
    for plugin in found:
        for setting in plugin.settings or ():
            definitions.update(setting.components)
    return schema, [plugin for plugin in found if plugin.broken]


def _of_kind(found: Iterable[Plugin], kind: str) -> list[Plugin]:
    return [plugin for plugin in found if plugin.kind == kind]


def _offer(described: dict[str, Any], offered: Sequence[Plugin]) -> None:
    """Replace the plain text of a value by the names that are installed, and code."""
    others = [each for each in described.pop("anyOf", ()) if each.get("type") != "string"]
    described.pop("type", None)
    names = [{"const": plugin.reference, "description": _description(plugin)} for plugin in offered]
    described["anyOf"] = [*names, _CODE, *others]


def _description(plugin: Plugin) -> str:
    package = f"({plugin.package} {plugin.version})"
    return f"{plugin.description} {package}" if plugin.description else package


def _rules(offered: Sequence[Plugin], key: str) -> Iterable[dict[str, Any]]:
    """Yield for each plugin what its settings may be.

    None is required here: the defaults may hold it.
    """
    for plugin in offered:
        if plugin.settings is None and (plugin.takes_any or plugin.broken):
            continue
        settings = plugin.settings or ()
        described = {
            "type": "object",
            "properties": {setting.name: dict(setting.schema) for setting in settings},
            "additionalProperties": plugin.takes_any,
        }
        names = [plugin.reference, f"{plugin.package}:{plugin.reference}"]
        yield {
            "if": {"properties": {key: {"enum": names}}, "required": [key]},
            "then": {"properties": {"settings": described}},
        }
