"""Packs the compiled modules of the runtime's packages, one file each: a start reads less."""

from collections.abc import Iterable
from pathlib import Path

from fcplug import compiled_modules

_UNCHECKED = (0b01).to_bytes(4, "little")  # the flags of a .pyc file that its source does not touch


def pack(folder: Path, packages: Iterable[str]) -> None:
    """Move the compiled modules of packages in a folder into one file a package.

    A package that no distribution brings, and the module that a package is itself, stay.
    """
    for info in sorted(folder.glob("*.dist-info")):
        record = (info / "RECORD").read_text("utf-8")
        for package in packages:
            if f"\n{package}/__init__.py," in f"\n{record}":
                _pack(folder / package, info.name)


def _pack(package: Path, distribution: str) -> None:
    modules: dict[str, tuple[bytes, bool]] = {}
    target = None
    for file in sorted(package.rglob("__pycache__/*.pyc")):
        stem, _, tag = file.stem.partition(".")
        is_package = stem == "__init__"
        parts = file.parent.parent.relative_to(package.parent).parts
        name = ".".join(parts if is_package else (*parts, stem))
        data = file.read_bytes()
        own = name == package.name or name in compiled_modules.NOT_STORED
        if own or data[4:8] != _UNCHECKED:
            continue
        modules[name] = data, is_package
        target = package / "__pycache__" / f"__init__.{tag}{compiled_modules.SUFFIX}"
        file.unlink()
    if target:
        target.write_bytes(compiled_modules.encoded(distribution, modules))
