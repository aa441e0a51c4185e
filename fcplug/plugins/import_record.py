"""Record which modules an import loads.

So they can be unloaded and imported again after a correction.
"""

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from types import ModuleType, TracebackType

_EXTENSIONS = (".so", ".pyd")


class ImportRecord:
    """Context manager that records the modules that this thread imports.

    It is a finder at the front of ``sys.meta_path`` that never finds anything. Python calls it once
    for each module that is not loaded yet, on the thread that imports it.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._names: dict[str, None] = {}

    def __enter__(self) -> "ImportRecord":
        sys.meta_path.insert(0, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.meta_path.remove(self)

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> None:
        """Record a module name, and leave the search to the other finders."""
        if threading.get_ident() == self._thread:
            self._names[name] = None

    def modules_of(self, plugin: str, folder: str) -> tuple[str, ...]:
        """Return the recorded modules of a plugin's package and folder.

        A package in the folder is left out if part of it was loaded before, because others may use
        it, or if it has C extensions, which cannot be imported twice.
        """
        own = package_of(plugin)
        kept = {package_of(name) for name in self._names if _file_of(name).endswith(_EXTENSIONS)}
        kept |= {package for package in map(package_of, self._names) if package not in self._names}
        loaded = [name for name in self._names if name in sys.modules]
        return tuple(
            name
            for name in loaded
            if package_of(name) == own
            or (package_of(name) not in kept and _is_in(folder, _file_of(name)))
        )


def unload(names: Iterable[str]) -> None:
    """Remove modules, so that the next import loads them again."""
    for name in names:
        module = sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and vars(sys.modules[parent]).get(child) is module:
            delattr(sys.modules[parent], child)


def package_of(module: str) -> str:
    """Return the top-level package of a module's dotted name."""
    return module.partition(".")[0]


def _file_of(name: str) -> str:
    """Return a module's file; for a namespace package its first folder."""
    module = sys.modules.get(name)
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")


def _is_in(folder: str, file: str) -> bool:
    return bool(folder) and os.path.abspath(file).startswith(os.path.join(folder, ""))
