"""``reference/testing.md``: what ``fcplug.testing`` exports, and the fixtures of pytest."""

import ast
from typing import Any

import markdown
import source
from fcplug import pytest_plugin, testing
from fcplug.testing import composing, contexts

_HEAD = """\
# Test kit

[Testing handlers](../how-to/testing.md) shows how the kit is used. It is part of fcplug; the
fixtures need pytest.

<!-- This page is made from fcplug/testing and fcplug/pytest_plugin.py: make reference -->

## Fixtures

"""


def make(_: str) -> str:
    """Return the page."""
    fixtures = [
        (f"`{name}`", f"`{_fixture_type(node)}`", markdown.first_line(ast.get_docstring(node)))
        for node in source.tree(source.PACKAGE / "pytest_plugin.py").body
        if isinstance(node, ast.FunctionDef) and hasattr(pytest_plugin, (name := node.name))
    ]
    parts = [
        _HEAD,
        markdown.table(("fixture", "type", "what it does"), fixtures),
        "\n## `fcplug.testing`\n",
    ]
    for name in testing.__all__:
        parts.append(_described(name, getattr(testing, name)))
        if name == "make_context":
            parts.append(_values(contexts.ContextValues))
    parts.append(f"### Options\n\n{_values(composing.Options)}")
    return "".join(parts).rstrip() + "\n"


def _fixture_type(node: ast.FunctionDef) -> str:
    """Return the type of what a fixture gives to a test."""
    returned = source.annotation(node.returns).strip("'\"")
    return (
        returned.removeprefix("Iterator[").removesuffix("]") if "Iterator" in returned else returned
    )


def _values(mapping: type) -> str:
    """Return what a TypedDict says of itself, and its keys with their types."""
    node = source.definition(mapping)
    rows = [
        (f"`{each.target.id}`", f"`{source.annotation(each.annotation)}`")
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    return f"{_doc(node).rstrip()}\n\n{markdown.table(('value', 'type'), rows)}"


def _described(name: str, thing: Any) -> str:
    found = source.definition(thing)
    if not isinstance(found, ast.ClassDef):
        text = f"```text\n{source.signature(found, name)}\n```\n\n{_doc(found)}"
        return f"\n### `{name}`\n\n{text}\n"
    parts = [f"\n### `{name}`\n\n"]
    for method in found.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            parts.append(f"```text\n{source.signature(method, name, bound=True)}\n```\n\n")
    parts.append(_doc(found))
    for base in [found, *_bases(thing)]:
        for method in source.methods(base):
            parts.append(f"\n#### `{name}.{method.name}`\n\n")
            if not source.is_property(method):
                shown = source.signature(method, bound=not _is_static(method))
                parts.append(f"```text\n{shown}\n```\n\n")
            parts.append(_doc(method))
    return "".join(parts) + "\n"


def _bases(thing: type) -> list[ast.ClassDef]:
    """Return the classes of fcplug that a class is made from."""
    found = []
    for base in thing.__mro__[1:]:
        if base.__module__.startswith("fcplug."):
            node = source.definition(base)
            assert isinstance(node, ast.ClassDef)
            found.append(node)
    return found


def _is_static(method: source.Function) -> bool:
    return any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in method.decorator_list
    )


def _doc(node: ast.ClassDef | source.Function) -> str:
    return markdown.prose(ast.get_docstring(node))
