"""The modules of the code folder that a function needs, found without running them."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Reached(NamedTuple):
    """What code leads to.

    Attributes:
        files: modules, and folders that are packages, of the code folder.
        imports: the other top-level modules, and the file that imports each.
    """

    files: tuple[Path, ...]
    imports: dict[str, Path]


def reach(folder: Path, modules: Iterable[str], elsewhere: Iterable[str] = ()) -> Reached:
    """Follow the imports of modules through the code folder.

    A package is taken as a whole. A folder without ``__init__.py`` is one unless an installed
    distribution has a package of its name.

    Args:
        folder: the code folder.
        modules: the top-level names to begin with.
        elsewhere: the top-level names of the installed distributions.
    """
    installed = frozenset(elsewhere)
    files: dict[Path, None] = {}
    imports: dict[str, Path] = {}
    waiting = [(name, folder) for name in modules]
    while waiting:
        name, importer = waiting.pop(0)
        found = find(folder, name, installed)
        if found is None:
            imports.setdefault(name, importer)
        elif found not in files:
            files[found] = None
            for source in _sources(found):
                waiting += [(each, source) for each in imported(source) if each != name]
    return Reached(tuple(files), imports)


def find(folder: Path, name: str, installed: Iterable[str] = ()) -> Path | None:
    """Return the file or folder of a top-level module in the code folder, None if it has none."""
    package, module = folder / name, folder / f"{name}.py"
    if (package / "__init__.py").is_file():
        return package
    if module.is_file():
        return module
    if name in installed or name in sys.stdlib_module_names or not package.is_dir():
        return None
    return package if any(package.rglob("*.py")) else None


def imported(source: Path) -> list[str]:
    """Return the top-level modules that a file imports, anywhere in it, by absolute names."""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []  # importing it is an error that says more
    return list(dict.fromkeys(_names(tree)))


def _sources(found: Path) -> list[Path]:
    return [found] if found.is_file() else sorted(found.rglob("*.py"))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
