"""Read the entry points of installed distributions.

Hand-written because it saves 13 to 20 ms of a cold start: ``importlib.metadata`` imports ``email``,
``zipfile`` and ``csv``. Where the two could differ, ``importlib.metadata`` is still used: for
distributions in archives, for custom finders and for malformed metadata.
"""

import importlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib import metadata

_PREFIX = b"fcplug."  # each of our groups begins with it


class EntryPoint(NamedTuple):
    """One entry point, with the name and version of its distribution."""

    name: str
    value: str
    package: str
    version: str


class EntryPointIndex:
    """The entry points of all installed distributions, read on first use."""

    def __init__(self) -> None:
        self._groups: dict[str, list[EntryPoint]] = {}

    def entry_points(self, group: str, package: str = "") -> list[EntryPoint]:
        """Return a group's entry points, of one package or of all; import nothing."""
        if group not in self._groups:
            try:
                self._groups[group] = list(_scanned(group))
            except _UnusualMetadataError:
                self._groups[group] = list(_from_importlib(group))
        wanted = _canonical(package)
        return [entry for entry in self._groups[group] if wanted in ("", _canonical(entry.package))]

    def clear(self) -> None:
        """Discard the entries, so that the next call reads them again."""
        self._groups.clear()
        importlib.invalidate_caches()


class _UnusualMetadataError(Exception):
    """Only ``importlib.metadata`` can read how something is installed."""


def _scanned(group: str) -> Iterator[EntryPoint]:
    """Yield a group's entry points; of two distributions of one name, the first on the path wins.

    Raises:
        _UnusualMetadataError: importlib.metadata may find more.
    """
    if any(hasattr(f, "find_distributions") for f in sys.meta_path if not _is_standard(f)):
        raise _UnusualMetadataError
    seen = set()
    for folder in sys.path:
        for info in _distributions(folder or "."):
            name = _canonical(os.path.basename(info).rpartition(".")[0].partition("-")[0])
            if name not in seen:
                seen.add(name)
                yield from _offered(info, group)


def _is_standard(finder: object) -> bool:
    return getattr(finder, "__module__", "") == "_frozen_importlib_external"


def _distributions(folder: str) -> Iterator[str]:
    """Yield the metadata folders inside one folder of ``sys.path``."""
    if folder.lower().endswith(".egg"):
        raise _UnusualMetadataError
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        raise _UnusualMetadataError from None
    except OSError:
        return
    for name in names:
        if name.lower().endswith((".dist-info", ".egg-info")):
            yield f"{folder}{os.sep}{name}"


def _offered(info: str, group: str) -> Iterator[EntryPoint]:
    data = _content(info, "entry_points.txt")
    if _PREFIX not in data:
        return
    package, version = _name_and_version(info)
    inside = False
    for line in map(str.strip, _text(data).splitlines()):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise _UnusualMetadataError
            yield EntryPoint(name.strip(), value.strip(), package, version)


def _name_and_version(info: str) -> tuple[str, str]:
    data = _content(info, "METADATA") or _content(info, "PKG-INFO")
    header = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    fields: dict[str, str] = {}
    for line in header.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.lower(), value.strip())
    try:
        return fields["name"], fields["version"]
    except KeyError:
        raise _UnusualMetadataError from None


def _content(folder: str, name: str) -> bytes:
    try:
        with open(f"{folder}{os.sep}{name}", "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _UnusualMetadataError from None


def _from_importlib(group: str) -> Iterator[EntryPoint]:
    """Yield a group's entry points as ``importlib.metadata`` finds them."""
    from importlib import metadata  # noqa: PLC0415

    try:
        found = list(metadata.entry_points(group=group))
    except Exception:  # one distribution with broken entry points hides all others
        found = [entry for dist in metadata.distributions() for entry in _readable(dist, group)]
    for entry in found:
        dist = entry.dist
        # an interrupted uninstall leaves a distribution without a name
        if dist and "Name" in dist.metadata:
            yield EntryPoint(entry.name, entry.value, dist.metadata["Name"], dist.version)


def _readable(dist: "metadata.Distribution", group: str) -> "list[metadata.EntryPoint]":
    try:
        return [entry for entry in dist.entry_points if entry.group == group]
    except Exception as error:
        logging.getLogger("fcplug").warning(
            "the entry points of %s cannot be read, so they are ignored: %s: %s",
            dist.metadata["Name"],
            type(error).__name__,
            error,
        )
        return []


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
