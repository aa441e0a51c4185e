"""The tables of ``reference/configuration.md``: the keys of functions.yaml, from their types.

Key, values, default and version come from the code. What a key means is the page's own text; for a
new key it is the description in the code, until somebody writes more.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

import fcplug
import markdown
from fcplug.config import model
from fcplug.config.routes import ShadowEntry
from fcplug.config.scale import ScaleEntry

SINCE = Path(__file__).parent / "since.json"
TABLES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "keys of the file": ("", model.File),
    "keys of runtime": ("runtime.", model.RuntimeEntry),
    "keys of auth": ("runtime.auth.", model.AuthEntry),
    "keys of a function": ("functions.", model.FunctionEntry),
    "keys of timer": ("triggers.timer.", model.TimerEntry),
    "keys of oss": ("triggers.oss.", model.OSSEntry),
    "keys of shadow": ("shadow.", ShadowEntry),
    "keys of scale": ("scale.", ScaleEntry),
}
_HEAD = ("key", "meaning", "values", "default", "since")


def make(page: str) -> str:
    """Return the page with the tables as the code has them now."""
    since = versions()
    blocks = {}
    for name, (prefix, struct) in TABLES.items():
        meanings = markdown.kept(markdown.block(page, name), "meaning")
        fields = {f"`{field.encode_name}`": field for field in inspect.type_info(struct).fields}  # type: ignore[attr-defined]
        order = [key for key in meanings if key in fields] + [
            key for key in fields if key not in meanings
        ]
        blocks[name] = markdown.table(
            _HEAD,
            (
                (
                    key,
                    meanings.get(key) or description(fields[key].type),
                    values(fields[key].type),
                    default(fields[key]),
                    since[prefix + fields[key].encode_name],
                )
                for key in order
            ),
        )
    return markdown.replaced(page, blocks)


def versions() -> dict[str, str]:
    """Return since when each key is there: a key that is not recorded is new in this version."""
    recorded = json.loads(SINCE.read_text("utf-8"))
    return {key: recorded.get(key, fcplug.__version__) for key in keys()}


def keys() -> Iterator[str]:
    """Yield the path of every key."""
    for prefix, struct in TABLES.values():
        for field in msgspec.structs.fields(struct):
            yield prefix + field.encode_name


def default(field: inspect.Field) -> str:
    """Return the default of a key, as YAML has it, or nothing if the key must be given."""
    if field.required:
        return ""
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        value = field.default
    if isinstance(value, msgspec.Struct):
        return "`{}`"
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{text.removesuffix('.0')}`"


def description(found: inspect.Type) -> str:
    """Return what the code says about a key."""
    if isinstance(found, inspect.Metadata):
        return markdown.plain((found.extra_json_schema or {}).get("description", ""))
    return ""


def values(found: Any, unit: str = "") -> str:
    """Return which values a type allows, in words."""
    if isinstance(found, inspect.Metadata):
        return values(found.type, (found.extra or {}).get("unit", unit))
    if isinstance(found, inspect.UnionType):
        kinds = [each for each in found.types if not isinstance(each, inspect.NoneType)]
        texts = dict.fromkeys(values(each, unit) for each in kinds)
        null = ["`null`"] if len(kinds) < len(found.types) else []
        return " or ".join([*texts, *null])
    if isinstance(found, inspect.IntType | inspect.FloatType):
        word = "whole number" if isinstance(found, inspect.IntType) else "number"
        return f"{unit or word}{limits(found)}"
    if isinstance(found, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in found.values)
    if isinstance(found, inspect.ListType | inspect.VarTupleType):
        return f"list of: {values(found.item_type)}"
    words: dict[type, str] = {
        inspect.BoolType: "`true`, `false`", inspect.StrType: "text", inspect.DictType: "mapping",
        inspect.StructType: "mapping", inspect.AnyType: "any value",
    }  # fmt: skip
    return words[type(found)]


def limits(found: inspect.IntType | inspect.FloatType) -> str:
    """Return the limits of a number, in words."""
    parts = []
    if found.gt is not None:
        parts.append(f"above {found.gt:,}")
    if found.ge is not None:
        parts.append(f"{found.ge:,}" if found.le is not None else f"at least {found.ge:,}")
    if found.le is not None:
        parts.append(f"to {found.le:,}" if found.ge is not None else f"at most {found.le:,}")
    return f", {(' ' if found.ge is not None else ', ').join(parts)}" if parts else ""
