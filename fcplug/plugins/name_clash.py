"""Find user files that are hidden by another module of the same name."""

import os
import re
import sys
from collections.abc import Iterator
from types import ModuleType

from fcplug.plugins import code_path

_IMPORTED = r"^[ \t]*(?:from[ \t]+(\w+)|import[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*))"
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


def folder_with(module: str) -> str:
    """Return the first folder on the path with this module, or ``""``."""
    for folder in map(os.path.abspath, sys.path):
        path = os.path.join(folder, module)
        if os.path.isfile(f"{path}.py") or os.path.isdir(path):
            return folder
    return ""


def shadowed(module: str) -> tuple[str, str] | None:
    """Return the user's file for a module, and the module that hides it.

    None unless a standard library or installed module of this name was imported before.
    """
    loaded = sys.modules.get(module)
    source = code_path.source_in(folder_with(module), module)
    if loaded is None or not source or _is_installed(source):
        return None
    file = getattr(loaded, "__file__", None)
    if file is None:
        own = module in sys.builtin_module_names
        return (source, "a module that is built into Python") if own else None
    return (source, file) if _is_installed(file) else None


def siblings(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield files next to a module that it tries to import, but misses.

    Each comes with the file that is imported instead.

    Python keeps one module per name: if two folders on the path both have a ``utils``, the first
    import decides for both. This concerns only a module in a subfolder that has put its own folder
    on the path.
    """
    file = getattr(module, "__file__", None) or ""
    folder = os.path.dirname(os.path.abspath(file))
    if "." not in module.__name__ or folder not in map(os.path.abspath, sys.path):
        return
    for name in dict.fromkeys(_imported_names(file)):
        other = getattr(sys.modules.get(name), "__file__", None)
        beside = code_path.source_in(folder, name)
        if other and beside and not os.path.samefile(other, beside):
            yield beside, other


def _imported_names(file: str) -> Iterator[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return
    for package, modules in re.findall(_IMPORTED, text, re.MULTILINE):
        yield from filter(None, (package, *map(str.strip, modules.split(","))))


def _is_installed(file: str) -> bool:
    return file.startswith(_STANDARD_LIBRARY) or f"-packages{os.sep}" in file
