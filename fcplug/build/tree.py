"""The installed distributions of a package: what each has, requires and may be left without."""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from fcplug.build.lock import canonical
from fcplug.build.roots import RUNTIME
from fcplug.build.target import Target

_MADE = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
_TESTS = frozenset(["tests"])
_IMPORTS_TESTS = re.compile(
    rb"^\s*(?:from\s+[\w.]*\.?tests[\w.]*\s+import|import\s+[\w.]*\btests\b"
    rb"|from\s+[\w.]+\s+import\s[^\n]*\btests\b)",
    re.MULTILINE,
)
# of fcplug only what serves
_COMMANDS = ("build", "console", "inspection", "manifest", "ray", "tools")
_TOOLS = (*_COMMANDS, "platform", "testing", "pytest_plugin.py")
# these say what is missing to those who ask for a command
_KEPT_TOOLS = tuple(f"tools/{each}.py" for each in ("__init__", "exit_code", "reload", "served"))


class Installed(NamedTuple):
    """A distribution in the folder of a package; ``files`` are relative to the folder."""

    name: str
    version: str
    files: tuple[str, ...]
    metadata: Distribution

    @property
    def key(self) -> str:
        """The canonical name."""
        return canonical(self.name)


class Lacking(NamedTuple):
    """A requirement that nothing in the package meets, and what requires it."""

    requirement: Requirement
    by: str


def installed(folder: Path) -> list[Installed]:
    """Return the distributions of a folder, by name."""
    found = []
    for info in folder.glob("*.dist-info"):
        metadata = Distribution.at(info)
        files = sorted(str(file) for file in metadata.files or () if ".." not in file.parts)
        found.append(Installed(metadata.metadata["Name"], metadata.version, tuple(files), metadata))
    return sorted(found, key=lambda each: each.key)


def requirements(each: Installed, target: Target, extras: Iterable[str] = ()) -> list[Requirement]:
    """Return what a distribution requires on a target, with extras of its own."""
    found = []
    for text in each.metadata.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        values = [{**target.markers(), "extra": extra} for extra in ("", *extras)]
        if marker is None or any(map(marker.evaluate, values)):
            found.append(requirement)
    return found


def lacking(
    found: Sequence[Installed], roots: Iterable[Requirement], target: Target
) -> tuple[list[Lacking], list[str]]:
    """Return the requirements that are not met, and the distributions that nothing requires."""
    by_name = {each.key: each for each in found}
    waiting = [Lacking(root, "the package") for root in roots]
    unmet: list[Lacking] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        each = waiting.pop(0)
        there = by_name.get(name := canonical(each.requirement.name))
        fits = (
            each.requirement.url
            or there is None
            or each.requirement.specifier.contains(there.version, prereleases=True)
        )
        if there is None or not fits:
            unmet.append(each)
        elif (name, extras := frozenset(each.requirement.extras)) not in seen:
            seen.add((name, extras))
            waiting += [
                Lacking(other, f"{there.name} {there.version}")
                for other in requirements(there, target, extras)
            ]
    reached = {name for name, _ in seen}
    return unmet, [each.key for each in found if each.key not in reached]


def prune(folder: Path, found: Sequence[Installed]) -> None:
    """Remove tests, caches, commands for this machine, and the installer's own files."""
    kept = {file for each in found for file in _needed(folder, each)}
    for path in sorted(folder.rglob("*"), reverse=True):  # children before their folders
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in kept:
            path.unlink()
    for each in found:
        _rewrite_record(folder, each, kept)


def drop_tools(folder: Path) -> None:
    """Remove the parts of fcplug that do not serve."""
    package = folder / RUNTIME
    kept = {package / name: (package / name).read_bytes() for name in _KEPT_TOOLS}
    for name in _TOOLS:
        path = package / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path, data in kept.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    for each in installed(folder):
        if each.key == RUNTIME:
            there = {file for file in each.files if (folder / file).exists()}
            _rewrite_record(folder, each, there)


def _needed(folder: Path, each: Installed) -> Iterator[str]:
    tests = {file for file in each.files if _TESTS.intersection(file.split("/")[:-1])}
    if tests and _uses_tests(folder, set(each.files) - tests):
        tests = set()
    for file in each.files:
        made = file.partition("/")[0].endswith(".dist-info") and file.rpartition("/")[2] in _MADE
        cached = "__pycache__" in file.split("/")
        if not (made or cached or file in tests or _is_command(folder / file, file)):
            yield file


def _uses_tests(folder: Path, others: Iterable[str]) -> bool:
    """Return whether code beside the tests imports them, as some test kits do."""
    for file in others:
        path = folder / file
        if file.endswith(".py") and path.is_file() and _IMPORTS_TESTS.search(path.read_bytes()):
            return True
    return False


def _is_command(path: Path, file: str) -> bool:
    """Return whether a file is a command that starts the Python of this machine."""
    if not file.startswith("bin/") or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(2) == b"#!"


def _rewrite_record(folder: Path, each: Installed, kept: "set[str]") -> None:
    record = next((file for file in each.files if file.endswith(".dist-info/RECORD")), "")
    if not record:
        return
    path = folder / record
    lines = path.read_text("utf-8").splitlines()
    left = sorted(line for line in lines if line.rsplit(",", 2)[0].strip('"') in kept)
    path.unlink()  # it may be a link into the installer's cache
    path.write_text("".join(f"{line}\n" for line in left), "utf-8")
