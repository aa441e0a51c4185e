"""The compiled modules of each package in one file, which ``fcplug build`` makes of many.

A start imports 190 modules of packages. For each of them Python looks into the folder, at the
source, and for the file of its compiled code. With one file a package that is one read a module:
3 % of the instructions of a start and half of its system calls.

The file ``__pycache__/__init__.cpython-311.modules`` of a package has one line of JSON and then the
contents of the ``.pyc`` files. Python's own loader takes these contents as if it had read them from
their places: it checks them, and compiles the source where this Python does not take them. What is
not in the file is found as ever: packages, whose order on ``sys.path`` counts, modules in C, and
all modules of a package that is somewhere else.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

SUFFIX = ".modules"
NOT_STORED = ("fcplug.__main__", "fcplug.compiled_modules")  # imported before ``install``

_TAG = sys.implementation.cache_tag
_PYC = f".{_TAG}.pyc"


def install() -> None:
    """Import the modules of the packages beside fcplug from such files, if fcplug has one."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if (own := _Compiled(folder, "fcplug")).modules:
        sys.meta_path.insert(0, _Finder(folder, {"fcplug": own}))


def encoded(distribution: str, modules: Mapping[str, tuple[bytes, bool]]) -> bytes:
    """Return the file of a package.

    Args:
        distribution: the folder of its metadata; without that, the package has been replaced.
        modules: the content of each ``.pyc`` file, and whether the module is a package.
    """
    places, size = {}, 0
    for name, (data, is_package) in modules.items():
        places[name] = size, len(data), is_package
        size += len(data)
    head = json.dumps({"distribution": distribution, "modules": places}, separators=(",", ":"))
    return b"".join([head.encode(), b"\n", *(data for data, _ in modules.values())])


class _Compiled:
    """The file of one package."""

    def __init__(self, folder: str, package: str) -> None:
        self.file = f"{folder}/{package}/__pycache__/__init__.{_TAG}{SUFFIX}"
        self.modules: dict[str, tuple[int, int, bool]] = {}
        try:
            with open(self.file, "rb") as stream:
                line = stream.readline()
            head = json.loads(line)
            if os.path.isdir(f"{folder}/{head['distribution']}"):
                self.modules = head["modules"]
                self._start = len(line)
        except (OSError, ValueError, LookupError):
            pass  # there is none, or it cannot be read: Python imports each module as ever

    def read(self, name: str) -> bytes:
        """Return the content of a ``.pyc`` file."""
        start, size, _ = self.modules[name]
        descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, self._start + start)
        finally:
            os.close(descriptor)


class _Finder:
    """Finds the modules of the packages in one folder; it reads their files when they are used."""

    def __init__(self, folder: str, packages: dict[str, _Compiled]) -> None:
        self._folder = folder
        self._packages = packages

    def find_spec(
        self, name: str, path: Iterable[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a stored module; None for all others."""
        base = f"{self._folder}/{name.replace('.', '/')}"
        parent, _, last = base.rpartition("/")
        if next(iter(path or ()), "") != parent:
            return None  # a package, or a module of one that is somewhere else
        package = name.partition(".")[0]
        compiled = self._packages.get(package)
        if compiled is None:
            compiled = self._packages[package] = _Compiled(self._folder, package)
        if name not in compiled.modules:
            return None
        is_package = compiled.modules[name][2]
        if is_package:
            parent, last = base, "__init__"
        file = f"{parent}/{last}.py"
        loader = _Loader(name, file, compiled)
        spec = ModuleSpec(name, loader, origin=file, is_package=is_package)
        spec.has_location = True
        spec.cached = f"{parent}/__pycache__/{last}{_PYC}"
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(base)
        return spec


class _Loader(SourceFileLoader):
    """Python's loader of source files, with compiled code that is somewhere else."""

    def __init__(self, name: str, path: str, compiled: _Compiled) -> None:
        super().__init__(name, path)
        self._compiled = compiled

    def path_stats(self, path: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Return no time: compiled code is stored only if it does not depend on its source's."""
        return {"mtime": 0}

    def get_data(self, path: str) -> bytes:
        """Return the compiled code that is stored, or any other file."""
        if path.endswith(_PYC):
            return self._compiled.read(self.name)
        return super().get_data(path)
