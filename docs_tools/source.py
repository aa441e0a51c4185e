"""What the source of a package says: signatures, constants, attributes."""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fcplug

PACKAGE = Path(fcplug.__file__).parent

_WIDTH = 88
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(file: Path) -> ast.Module:
    """Parse a file once."""
    return ast.parse(file.read_text("utf-8"))


def files() -> list[Path]:
    """Return the modules of the package, but not its templates."""
    return [file for file in sorted(PACKAGE.rglob("*.py")) if "templates" not in file.parts]


def definition(thing: Any) -> ast.ClassDef | Function:
    """Return the statement that defines a function or a class."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    assert isinstance(parsed, ast.ClassDef | Function)
    return parsed


def signature(function: Function, name: str = "", *, bound: bool = False) -> str:
    """Return a function's name, parameters and result, as in the source.

    Args:
        function: the definition.
        name: the name to show, if it is not the function's own.
        bound: whether the first parameter is given by Python.
    """
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + [*given.defaults]
    shown = [_parameter(*each) for each in zip(plain, defaults, strict=True)][bound:]
    if given.vararg or given.kwonlyargs:
        shown.append(f"*{_parameter(given.vararg) if given.vararg else ''}")
    shown += [_parameter(*each) for each in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        shown.append(f"**{_parameter(given.kwarg)}")
    result = f" -> {annotation(function.returns)}" if annotation(function.returns) else ""
    result = result.replace(" -> None", "")
    line = f"{name or function.name}({', '.join(shown)}){result}"
    if len(line) <= _WIDTH:
        return line
    rows = "".join(f"    {each},\n" for each in shown)
    return f"{name or function.name}(\n{rows}){result}"


def _parameter(parameter: ast.arg, default: ast.expr | None = None) -> str:
    text = parameter.arg
    if parameter.annotation:
        text += f": {annotation(parameter.annotation)}"
    return text if default is None else f"{text} = {quoted(default)}"


def quoted(value: ast.expr) -> str:
    """Return a value as in the source, with double quotes."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return json.dumps(value.value, ensure_ascii=False)
    return ast.unparse(value)


def annotation(node: ast.expr | None) -> str:
    """Return an annotation; one in quotes without them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node) if node else ""


def methods(cls: ast.ClassDef) -> Iterator[Function]:
    """Yield the public methods and properties of a class."""
    for node in cls.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def is_property(function: Function) -> bool:
    """Say whether a method is read like an attribute."""
    return any(
        isinstance(each, ast.Name) and each.id in ("property", "cached_property")
        for each in function.decorator_list
    )
