"""Find the file and line where a plugin is defined, for error messages."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from fcplug.plugins.importer import Source


def location(target: Any, source: Source) -> str:
    """Return ``, file:line`` of a plugin's definition, or an empty string."""
    try:
        target = inspect.unwrap(target) if callable(target) else target
        file, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except Exception:  # not a function or class, or its source file is missing
        file = source.file
        line = _line_of(source.attribute.partition(".")[0], file)
    return f", {file}:{max(line, 1)}" if file else ""


def _line_of(name: str, file: str) -> int:
    """Return the line that last assigns a name in a module, 0 if there is none."""
    try:
        with open(file, "rb") as stream:
            body = ast.parse(stream.read()).body
    except (OSError, SyntaxError, ValueError):
        return 0
    return max((line for bound, line in _bindings(body) if bound == name), default=0)


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Yield each name that a module's statements bind, with its line."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name, statement.lineno
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, node.lineno
            elif isinstance(node, ast.alias):
                yield node.asname or node.name, node.lineno
