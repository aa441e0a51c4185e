"""What is known of a plugin once it is imported: its description, and the settings it takes."""

import inspect
import json
import typing
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any

import msgspec

from fcplug.config import schema
from fcplug.plugins import hooks, importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import HANDLERS, MIDDLEWARE, Source
from fcplug.plugins.settings import hints_of

GROUPS = (
    importer.HANDLERS,
    importer.MIDDLEWARE,
    importer.WSGI,
    importer.ASGI,
    importer.OBSERVERS,
)
_Parameter = inspect.Parameter
_REST = (_Parameter.VAR_KEYWORD, _Parameter.VAR_POSITIONAL)
_MADE = "<factory>"  # what dataclasses show for a default that is made for each object


def entries() -> list[list[str]]:
    """Return all installed plugins: group, name, value, package and version of each."""
    index = EntryPointIndex()
    return [[group, *entry] for group in GROUPS for entry in index.entry_points(group)]


def facts(group: str, reference: str) -> dict[str, Any]:
    """Import a plugin and return what there is to know of it, as JSON can carry it.

    Raises:
        PluginError: it cannot be imported, or cannot be what it is offered as.
    """
    target, source = importer.resolve(EntryPointIndex(), group, reference)
    with importer.attributed_to(source):
        if group in (HANDLERS, MIDDLEWARE):
            _check_hooks(target, source)
    made = inspect.isclass(target)
    return {
        "description": _description(target),
        "settings": list(_settings(target, f"{group}.{reference}")) if made else None,
        "takes_any": group == HANDLERS and (not made or _takes_any(target)),
    }


def _description(target: Any) -> str:
    """Return the first paragraph of what the author wrote about a plugin, on one line."""
    if not inspect.isclass(target) and not inspect.isroutine(target):
        target = inspect.getmodule(target) or target
    text = inspect.getdoc(target) or ""
    if text.startswith(f"{hooks.name_of(target)}("):  # what dataclasses write by themselves
        return ""
    return " ".join(text.partition("\n\n")[0].replace("``", "'").split())


def _check_hooks(target: Any, source: Source) -> None:
    found = hooks.hooks_of(target)
    if not found and (inspect.isclass(target) or not callable(target)):
        raise hooks.without_hooks(target, hooks.name_of(target), source)
    if not inspect.isclass(target):
        for name, hook in found.items():
            hooks.check(name, hook)


def _takes_any(kind: type) -> bool:
    return any(p.kind is _Parameter.VAR_KEYWORD for p in _parameters(kind))


def _settings(kind: type, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield each setting of a class: its name, type, default, and JSON Schema."""
    hints = hints_of(kind)
    for parameter in _parameters(kind):
        if parameter.kind in _REST or parameter.kind is _Parameter.POSITIONAL_ONLY:
            continue
        hint = hints.get(parameter.name, Any)
        required = parameter.default is _Parameter.empty
        described, components = _schema(hint, prefix)
        yield {
            "name": parameter.name,
            "type": _type_text(hint),
            "required": required,
            "default": None if required else _default_text(parameter.default),
            "schema": {**described, **_default_of(parameter)},
            "components": components,
        }


def _parameters(kind: type) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(kind).parameters.values())
    except ValueError:  # written in C and silent about itself
        return []


def _type_text(hint: Any) -> str:
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    return "any" if hint is Any else inspect.formatannotation(hint)


def _default_text(value: Any) -> str:
    text = repr(value)
    return "made for each function" if text == _MADE else text


def _default_of(parameter: inspect.Parameter) -> dict[str, Any]:
    """Return the default as JSON Schema has it, nothing if JSON cannot carry it."""
    if parameter.default is _Parameter.empty:
        return {}
    try:
        return {"default": json.loads(json.dumps(parameter.default, allow_nan=False))}
    except (TypeError, ValueError):
        return {}


def _schema(hint: Any, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of a type, and the definitions that it refers to."""
    try:
        (described,), components = msgspec.json.schema_components(
            [hint], ref_template=f"#/$defs/{prefix}.{{name}}", schema_hook=_of_path
        )
    except Exception:  # a type that msgspec does not know takes any value
        return {}, {}
    schema.allow_variables(described)
    for component in components.values():
        schema.allow_variables(component)
    return described, {f"{prefix}.{name}": value for name, value in components.items()}


def _of_path(kind: type) -> dict[str, str]:
    if not issubclass(kind, PurePath):
        raise NotImplementedError
    return {"type": "string"}
