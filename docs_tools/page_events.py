"""``reference/events.md``: the types of ``fcplug.events``, with all of their fields."""

import ast
from collections.abc import Iterator

import markdown
import source
from fcplug import events

_HEAD = """\
# Event types

`fcplug.events` has a type for the events of each of FC's triggers. [Typed
events](../how-to/events.md) shows how to use them. A field with a default may be missing from the
event. The time of an event stays as it was sent; `when` is the same time as a `datetime`.

<!-- This page is made from fcplug/events: make reference -->

"""
_DECODE = """\
## `decode`

"""
_HIDDEN = ("from_event", "to_json")


def make(_: str) -> str:
    """Return the page."""
    decode = source.definition(events.decode)
    assert isinstance(decode, source.Function)
    shown = f"```text\n{source.signature(decode)}\n```\n\n"
    parts = [_HEAD, _DECODE, shown, markdown.prose(ast.get_docstring(decode))]
    for name in events.__all__:
        if name != "decode":
            kind = getattr(events, name)
            parts.append(f"\n## `{name}`\n\n{markdown.prose(kind.__doc__)}\n")
            parts.append(markdown.table(("field", "type", "default"), _fields(kind)))
    return "".join(parts)


def _fields(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a type, then what it computes from them."""
    known: set[str] = set()
    nodes = [
        node
        for cls in reversed(kind.__mro__)
        if cls.__module__.startswith("fcplug.")
        and isinstance(node := source.definition(cls), ast.ClassDef)
    ]
    for node in nodes:
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if "ClassVar" not in ast.unparse(field.annotation) and field.target.id not in known:
                known.add(field.target.id)
                yield _field(field)
    for node in nodes:
        for method in source.methods(node):
            if method.name not in {*known, *_HIDDEN}:
                known.add(method.name)
                is_property = source.is_property(method)
                called = method.name if is_property else source.signature(method, bound=True)
                result = source.annotation(method.returns)
                yield f"`{called.partition(' ->')[0]}`", _code(result), "computed"


def _field(field: ast.AnnAssign) -> tuple[str, str, str]:
    assert isinstance(field.target, ast.Name)
    value = field.value
    shown = "" if value is None else source.quoted(value)
    if isinstance(value, ast.Call):
        given = {each.arg: source.quoted(each.value) for each in value.keywords}
        shown = given.get("default", "..." if "default_factory" in given else "")
        if not given:
            shown = "..."
    return f"`{field.target.id}`", _code(source.annotation(field.annotation)), _code(shown)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
