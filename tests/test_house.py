"""The shape of the house: FC's headers are spelled once, what is exported, the size of modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fcplug

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fcplug"
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_header_of_fc_is_spelled_only_in_the_protocol(file: Path) -> None:
    if file.name == "protocol.py":
        return
    literals = [
        node.value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    documented = {ast.get_docstring(node, clean=False) for node in _documented(file)}
    spelled = [text for text in literals if text not in documented and "x-fc-" in text.lower()]
    assert spelled == []


def _documented(file: Path) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield node


def test_a_plugin_author_finds_exactly_what_is_exported() -> None:
    assert fcplug.__all__ == ["Context", "__version__", "hookimpl"]
    for name in fcplug.__all__:
        assert hasattr(fcplug, name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_can_be_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_function_has_at_most_40_lines_of_code(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines - len(docstring.splitlines()) <= 40, f"{file}: {node.name}"
