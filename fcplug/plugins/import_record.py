"""Which modules an import brings in, so that they can be imported again once they are corrected."""

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from types import ModuleType, TracebackType

_EXTENSIONS = (".so", ".pyd")


class ImportRecord:
    """Notes the modules that this thread imports while it is used as a context manager.

    The import system asks it first, as one of its finders, and it never finds anything: each module
    that is not there yet is asked for once, on the thread that imports it.
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
        """Note a module, and leave finding it to the others."""
        if threading.get_ident() == self._thread:
            self._names[name] = None

    def modules_of(self, plugin: str, folder: str) -> tuple[str, ...]:
        """Return those in the package of a plugin's module, and those in its folder if it has one.

        A package of the folder is left out if a part of it was there before, as others use it, or
        if it has modules in C, which cannot be imported twice.
        """
        own = package_of(plugin)
        kept = {package_of(name) for name in self._names if _file_of(name).endswith(_EXTENSIONS)}
        kept |= {package for package in map(package_of, self._names) if package not in self._names}
        return tuple(
            name
            for name in self._names
            if name in sys.modules
            and (
                package_of(name) == own
                or (package_of(name) not in kept and _is_in(folder, _file_of(name)))
            )
        )


def unload(names: Iterable[str]) -> None:
    """Have modules imported again by whoever asks for them next."""
    for name in names:
        module = sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and vars(sys.modules[parent]).get(child) is module:
            delattr(sys.modules[parent], child)


def package_of(module: str) -> str:
    """Return the top of a module's dotted name."""
    return module.partition(".")[0]


def _file_of(name: str) -> str:
    """Return the file of a module, of a package without one its first folder."""
    module = sys.modules.get(name)
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")


def _is_in(folder: str, file: str) -> bool:
    return bool(folder) and os.path.abspath(file).startswith(os.path.join(folder, ""))
