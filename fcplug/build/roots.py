"""What functions need: their plugins, the code that they name, and what that code imports."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from fcplug.build import code_modules, requirements
from fcplug.build.failure import BuildError
from fcplug.build.installed import Environment
from fcplug.build.lock import canonical
from fcplug.build.origin import INDEX, Origin
from fcplug.build.target import Target
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.errors import UnknownFunction
from fcplug.hookspecs import KEYS
from fcplug.inspection.reachable import reachable
from fcplug.plugins import importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import ASGI, HANDLERS, MIDDLEWARE, WSGI, Source

RUNTIME = "fcplug"
REQUIREMENTS = "requirements.txt"


class Root(NamedTuple):
    """A distribution that a package needs.

    Attributes:
        name: empty for a folder or wheel that a requirements file names by its path.
        why: what needs it, for errors.
    """

    name: str
    requirement: Requirement | None
    origin: Origin
    why: str


class Needs(NamedTuple):
    """What functions need: distributions, and files of the code folder."""

    roots: tuple[Root, ...]
    code: tuple[Path, ...]


def chosen(config: Config, names: Sequence[str]) -> list[FunctionSpec]:
    """Return the functions that may answer the named ones, and their shadows; all if none is named.

    Raises:
        BuildError: none answers a name.
    """
    if not names:
        return list(config.functions.values())
    found: dict[str, None] = {}
    for name in names:
        answering = reachable(config, name, name)
        if not answering:
            why = str(UnknownFunction(name, "", config.functions))
            raise BuildError(why, fix="name one of them, or an FC function with a route")
        found.update(dict.fromkeys(answering))
    shadows = [spec.shadow.to for name in found if (spec := config.functions[name]).shadow]
    return [config.functions[name] for name in dict.fromkeys([*found, *shadows])]


def needs(
    specs: Sequence[FunctionSpec], folder: Path, environment: Environment, target: Target
) -> Needs:
    """Return what functions need.

    Raises:
        BuildError: requirements.txt cannot be used.
        PluginError: a plugin is not installed.
    """
    packages, modules = _named(specs)
    reached = code_modules.reach(folder, modules, environment.modules)
    for module, file in reached.imports.items():
        if module in sys.stdlib_module_names:
            continue
        if owner := environment.owner(module):
            where = modules.get(module) or f"imported by {file.relative_to(folder)}"
            packages.setdefault(owner, where)
    found: list[Root] = []
    listed = folder / REQUIREMENTS
    plugins = {canonical(name) for name in packages}
    for line in requirements.read(listed) if listed.is_file() else ():
        # Lines of plugins count in any case: they may ask for extras.
        if reached.files or (line.requirement and canonical(line.requirement.name) in plugins):
            found += _of_line(line, target)
    for name, why in packages.items():
        root = Root(name, Requirement(name), environment.origin(name), why)
        found += _lacking(root, found)
    for known in [*found]:
        for each, origin in environment.local(known.name) if known.name else ():
            other = Root(each, Requirement(each), origin, f"required by {known.name}")
            found += _lacking(other, found)
    return Needs(tuple(found), reached.files)


def _named(specs: Sequence[FunctionSpec]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the distributions and the modules that functions name, each with its function."""
    index = EntryPointIndex()
    packages, modules = {RUNTIME: "the runtime"}, dict[str, str]()
    for spec in specs:
        for group, reference in _references(spec):
            source: Source = importer.locate(index, group, reference)
            why = f"function {spec.name}"
            if source.entry:
                packages.setdefault(source.entry.package, why)
            else:
                modules.setdefault(source.module.partition(".")[0], why)
    return packages, modules


def _references(spec: FunctionSpec) -> Iterator[tuple[str, str]]:
    groups: Mapping[str, str | None] = {
        HANDLERS: spec.handler,
        WSGI: spec.wsgi,
        ASGI: spec.asgi,
        **{key: getattr(spec, key) for key in KEYS},
    }
    yield from ((group, name) for group, name in groups.items() if name)
    yield from ((MIDDLEWARE, each.name) for each in spec.middleware)


def _of_line(line: requirements.Line, target: Target) -> Iterator[Root]:
    requirement = line.requirement
    if requirement is None:
        yield Root("", None, line.origin, line.where)
    elif not requirement.marker or requirement.marker.evaluate({**target.markers(), "extra": ""}):
        requirement.marker = None
        yield Root(requirement.name, requirement, line.origin, line.where)


def _lacking(root: Root, found: Sequence[Root]) -> Iterator[Root]:
    """Yield a root unless one of its name is there; one from this machine is better than any."""
    others = [each.origin for each in found if canonical(each.name) == canonical(root.name)]
    if not others or (root.origin != INDEX and all(each == INDEX for each in others)):
        yield root
