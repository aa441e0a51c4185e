"""The installed distributions: what they require, which modules they own, what is compiled."""

import importlib.util
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.metadata import Distribution
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement


class Installed(NamedTuple):
    """A distribution that is installed, and the folder that it is in."""

    name: str
    version: str
    folder: str
    distribution: Distribution


class Trouble(NamedTuple):
    """Something wrong with the installation, and what to do."""

    what: str
    fix: str


class Compiled(NamedTuple):
    """How many of a distribution's modules have no bytecode for this Python."""

    name: str
    modules: int
    missing: int
    folder: str


def installed() -> list[Installed]:
    """Return the distributions that Python finds, by name; of one name the first on the path."""
    found: dict[str, Installed] = {}
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:  # a removal left half done has none
            folder = str(distribution.locate_file(""))
            each = Installed(name, distribution.version, folder, distribution)
            found.setdefault(_canonical(name), each)
    return [found[name] for name in sorted(found)]


def troubles(all_of_them: Sequence[Installed]) -> Iterator[Trouble]:
    """Yield what is wrong with the installed distributions."""
    yield from _twice()
    yield from _unmet(all_of_them)
    yield from _shared(all_of_them)


def requires(name: str, all_of_them: Sequence[Installed]) -> list[str]:
    """Return what a distribution requires, directly or not, extras left out; itself first."""
    by_name = {_canonical(each.name): each for each in all_of_them}
    waiting, found = [_canonical(name)], dict[str, None]()
    while waiting:
        current = waiting.pop(0)
        if current in found or current not in by_name:
            continue
        found[current] = None
        waiting += [_canonical(each.name) for each in _requirements(by_name[current])]
    return [by_name[each].name for each in found]


def compiled(each: Installed) -> Compiled:
    """Return how many of a distribution's modules would be compiled at each cold start."""
    sources = [path for path in _files(each) if path.endswith(".py")]
    missing = 0
    for path in sources:
        try:
            missing += not os.path.exists(importlib.util.cache_from_source(path))
        except NotImplementedError:  # this Python writes none
            return Compiled(each.name, len(sources), 0, each.folder)
    return Compiled(each.name, len(sources), missing, each.folder)


def _twice() -> Iterator[Trouble]:
    """Yield distributions that one folder has in two versions, as a broken update leaves them."""
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:
            folder = str(distribution.locate_file(""))
            versions[_canonical(name), folder].add(distribution.version)
    for (name, folder), found in versions.items():
        if len(found) > 1:
            what = f"{folder} has {name} in {len(found)} versions: {', '.join(sorted(found))}"
            yield Trouble(what, f"pip uninstall {name} until none is left, then install it again")


def _unmet(all_of_them: Sequence[Installed]) -> Iterator[Trouble]:
    versions = {_canonical(each.name): each.version for each in all_of_them}
    for each in all_of_them:
        for requirement in _requirements(each):
            version = versions.get(_canonical(requirement.name))
            asked = f"{requirement.name}{requirement.specifier}"
            wanted, fix = f"{each.name} {each.version} requires {asked}", f"pip install '{asked}'"
            if version is None:
                yield Trouble(f"{wanted}, which is not installed", fix)
            elif not requirement.specifier.contains(version, prereleases=True):
                yield Trouble(f"{wanted}, and {version} is installed", fix)


def _shared(all_of_them: Sequence[Installed]) -> Iterator[Trouble]:
    """Yield modules whose files two distributions claim: one has overwritten the other's."""
    owners: dict[str, set[str]] = defaultdict(set)
    for each in all_of_them:
        for path in _files(each):
            if path.endswith((".py", ".so", ".pyd")):
                owners[path].add(f"{each.name} {each.version}")
    claimed: dict[tuple[str, ...], str] = {}
    for path, names in owners.items():
        if len(names) > 1:
            claimed.setdefault(tuple(sorted(names)), path)
    for both, path in claimed.items():
        what = f"{' and '.join(both)} both own {path}: which one it is depends on the last install"
        yield Trouble(what, f"keep one of them: pip uninstall {both[0].partition(' ')[0]}")


def _requirements(each: Installed) -> Iterator[Requirement]:
    """Yield what a distribution requires in this environment, without its extras."""
    for text in each.distribution.requires or ():
        try:
            requirement = Requirement(text)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                yield requirement
        except InvalidRequirement:
            continue


def _files(each: Installed) -> Iterator[str]:
    for file in each.distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield os.path.join(each.folder, str(file))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
