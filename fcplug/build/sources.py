"""Wheels of what comes from this machine: folders are built, wheel files taken as they are."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from fcplug.build.failure import BuildError
from fcplug.build.installer import Installer
from fcplug.build.lock import LocalPin, Pin, canonical
from fcplug.build.origin import Origin
from fcplug.build.roots import Root

_EPOCH = "315532800"  # 1980-01-01, the first date of a zip archive


class Sources(NamedTuple):
    """What is to be resolved.

    Attributes:
        lines: a requirement for each root.
        local: the wheels of this machine, by canonical name.
        pins: how the lock file names these.
        why: what needs each root, by canonical name.
    """

    lines: tuple[str, ...]
    local: Mapping[str, Path]
    pins: tuple[LocalPin, ...]
    why: Mapping[str, str]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of installers: wheels that they build have fixed dates."""
    return {**environ, "SOURCE_DATE_EPOCH": environ.get("SOURCE_DATE_EPOCH", _EPOCH)}


def gather(
    roots: Sequence[Root], folder: Path, work: Path, installer: Installer, repositories: Installer
) -> Sources:
    """Build the wheels of all roots that come from no index.

    Args:
        roots: what the package needs.
        folder: the code folder; the lock file names what is in it by its path.
        work: takes the wheels.
        installer: builds folders.
        repositories: builds URLs.

    Raises:
        BuildError: a source is not there, or cannot be built.
    """
    wheels = _Wheels(work, installer, repositories)
    local: dict[str, Path] = {}
    pins: list[LocalPin] = []
    named: dict[str, list[Root]] = {}
    for root in roots:
        if root.origin.kind == "index" or _is_wheel_url(root.origin):
            named.setdefault(canonical(root.name), []).append(root)
            continue
        file = wheels.of(root)
        name, version = _name_and_version(file)
        named.setdefault(name, []).append(root)
        if local.setdefault(name, file) != file:
            raise _two_sources(name, named[name])
        digest = _digest(file) if root.origin.kind == "file" and file == root.origin.path else ""
        pins.append(LocalPin(name, version, _shown(root.origin, folder), digest))
    lines: list[str] = []
    for name, wanted in named.items():
        lines += _of_local(name, local[name], wanted) if name in local else map(_of_index, wanted)
    why = {name: wanted[0].why for name, wanted in named.items()}
    return Sources(tuple(dict.fromkeys(lines)), local, tuple(sorted(set(pins))), why)


def pinned(file: Path, name: str) -> Pin:
    """Return a wheel of this machine as installers take it: by its path and hash."""
    return Pin(name, "", file.as_uri(), (_digest(file),))


def _is_wheel_url(where: Origin) -> bool:
    return where.kind == "url" and where.place.partition("#")[0].endswith(".whl")


class _Wheels:
    """The wheels of folders, files and URLs, each built once."""

    def __init__(self, work: Path, installer: Installer, repositories: Installer) -> None:
        self._work = work
        self._installer = installer
        self._repositories = repositories
        self._built: dict[Origin, Path] = {}

    def of(self, root: Root) -> Path:
        """Return the wheel of a root.

        Raises:
            BuildError: its source is not there, or cannot be built.
        """
        if root.origin not in self._built:
            self._built[root.origin] = self._wheel(root, root.origin)
        return self._built[root.origin]

    def _wheel(self, root: Root, where: Origin) -> Path:
        if where.kind != "url" and not where.path.exists():
            what = f"{root.name} was installed from {where.place}, which is not there any more"
            raise BuildError(what, f"needed by: {root.why}", fix=f"install {root.name} again")
        if where.kind == "file" and where.path.suffix == ".whl":
            return where.path
        if where.kind == "url" and find_spec("pip") is None:
            what = f"{where.place} is no wheel, and only pip builds one from it"
            raise BuildError(what, fix="install pip, or build its wheel and install that")
        into = self._work / f"wheel-{len(self._built)}"
        into.mkdir()
        (self._repositories if where.kind == "url" else self._installer).build(where.place, into)
        wheels = sorted(into.glob("*.whl"))
        if len(wheels) != 1:
            raise BuildError(f"{where.place} does not build one wheel")
        return wheels[0]


def _name_and_version(file: Path) -> tuple[str, str]:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise BuildError(f"{file}: {error}") from None
    return str(name), str(version)


def _of_index(root: Root) -> str:
    text = str(root.requirement)
    return text if root.origin.kind == "index" or " @ " in text else f"{text} @ {root.origin.place}"


def _of_local(name: str, file: Path, wanted: Sequence[Root]) -> list[str]:
    """Return the line of a wheel of this machine, with all extras that are wanted of it."""
    version, extras = _name_and_version(file)[1], set[str]()
    for root in wanted:
        if root.requirement:
            extras |= root.requirement.extras
            if not root.requirement.specifier.contains(version, prereleases=True):
                what = f"{root.why} requires {root.requirement}, and {version} is installed here"
                raise BuildError(what, fix=f"install such a version of {name}, or change the line")
    listed = f"[{','.join(sorted(extras))}]" if extras else ""
    return [f"{name}{listed} @ {file.absolute().as_uri()}"]


def _two_sources(name: str, wanted: Sequence[Root]) -> BuildError:
    places = [f"{root.origin.place}, for {root.why}" for root in wanted if root.origin.place]
    return BuildError(f"{name} is to come from two places", *places, fix="keep one of them")


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _shown(where: Origin, folder: Path) -> str:
    """Return a source as the lock file names it: the same on every machine."""
    if where.kind == "url":
        return where.place
    inside = Path(os.path.relpath(where.path.resolve(), folder.resolve()))
    return inside.name or "." if ".." in inside.parts else str(inside)
