"""The shape of the house: imports go down, FC's headers are spelled once, what is exported."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fcplug

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fcplug"
PICTURE = ROOT / "docs" / "explanation" / "architecture.md"
FILES = sorted(PACKAGE.rglob("*.py"))


def floors() -> dict[str, int]:
    picture = re.search(r"```text\nfloor  modules\n(.*?)```", PICTURE.read_text(), re.DOTALL)
    assert picture
    return {
        module: int(floor)
        for floor, modules in re.findall(r"^ *(\d+)  (.+)$", picture[1], re.MULTILINE)
        for module in modules.split()
    }


def module_of(file: Path) -> str:
    """Return the room a file belongs to: its module, or the subpackage it lives in."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[str]:
    """Yield every module of fcplug that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("fcplug."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by a relative name"
            if node.module == "fcplug":
                yield from (f"fcplug.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("fcplug."):
                yield node.module


def test_the_picture_shows_every_module() -> None:
    modules = {module_of(file) for file in FILES} - {"__init__"}
    assert set(floors()) == modules


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_only_go_down(file: Path) -> None:
    home = module_of(file)
    if home == "__init__":
        return
    height = floors()
    for name in imports(file):
        room = name.split(".")[1]
        if room != home:
            assert height[room] < height[home], f"{file} imports {name}"


def test_rooms_inside_the_server_have_no_cycle() -> None:
    inside = {
        file.stem: {name.split(".")[-1] for name in imports(file) if name.count(".") == 2}
        for file in FILES
        if module_of(file) == "server"
    }
    while inside:
        ready = {name for name, needs in inside.items() if not needs & inside.keys()}
        assert ready, f"these import each other: {sorted(inside)}"
        inside = {name: needs for name, needs in inside.items() if name not in ready}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_header_of_fc_is_spelled_only_in_the_protocol(file: Path) -> None:
    if module_of(file) == "protocol":
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
    assert len(file.read_text().splitlines()) <= 350
