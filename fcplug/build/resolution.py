"""Installs the distributions of a package, and holds the lock file against them."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from fcplug.build import lock, sources, tree
from fcplug.build.failure import BuildError
from fcplug.build.installed import Environment
from fcplug.build.installer import Installer, Question
from fcplug.build.lock import Lock
from fcplug.build.order import Order, Progress
from fcplug.build.pip import Pip
from fcplug.build.roots import Root
from fcplug.build.sources import Sources
from fcplug.build.tree import Installed
from fcplug.build.uv import Uv
from fcplug.build.uv import find as find_uv


class Resolved(NamedTuple):
    """The distributions of a package, and the program that installed them."""

    lock: Lock
    installed: Sequence[Installed]
    installer: str


def install(
    order: Order, needed: Sequence[Root], work: Path, environ: Mapping[str, str], progress: Progress
) -> Resolved:
    """Install all that a package needs into ``work/code/python``.

    Raises:
        BuildError: it cannot be resolved or installed, or is not what the lock file names.
    """
    environ = sources.environment(environ)
    final = order.outputs.lock
    known = lock.read(final)
    if order.locked and known is None:
        raise BuildError(f"--locked: there is no {final}", fix="fcplug build without it writes it")
    installer = _installer(order.installer, environ, work)
    progress(0.1, "building wheels")
    given = sources.gather(needed, order.folder, work, installer, Pip(environ, work))
    if order.locked and known:
        _refuse(lock.refusals(known, str(order.target), given.pins), final)
        made = known
    else:
        progress(0.2, "resolving")
        made = _resolve(order, given, known, installer, work)
    progress(0.4, "installing")
    folder = work / "code" / "python"
    folder.mkdir()
    local = [sources.pinned(given.local[each.name], each.name) for each in made.local]
    installer.install([each.line for each in (*local, *made.pins)], order.target, folder, work)
    found = tree.installed(folder)
    _check(order, given, found)
    return Resolved(made, found, installer.name)


def _installer(wanted: str, environ: Mapping[str, str], work: Path) -> Installer:
    if wanted != "pip" and (program := find_uv(environ)):
        return Uv(program, environ, work)
    if wanted == "uv":
        raise BuildError("uv is not here", fix="pip install uv, or leave out --installer")
    if find_spec("pip") is None:
        raise BuildError("neither uv nor pip is here", fix="pip install 'fcplug[tools]'")
    return Pip(environ, work)


def _resolve(
    order: Order, given: Sources, known: Lock | None, installer: Installer, work: Path
) -> Lock:
    preferred: dict[str, str] = {}
    if not order.upgrade:
        preferred = {**Environment().versions(), **(known.versions() if known else {})}
        preferred = {name: each for name, each in preferred.items() if name not in given.local}
    question = Question(given.lines, preferred, given.why, order.upgrade)
    pins = installer.resolve(question, order.target, work)
    of_indexes = tuple(each for each in pins if each.name not in given.local)
    return Lock(str(order.target), of_indexes, given.pins)


def _check(order: Order, given: Sources, found: Sequence[Installed]) -> None:
    """Check that all requirements are met, and by nothing beyond them.

    Raises:
        BuildError: the lock file does not name what is needed, or names more.
    """
    wanted = [Requirement(line) for line in given.lines]
    unmet, unneeded = tree.lacking(found, wanted, order.target)
    said = [f"it does not name {each.requirement}, which {each.by} requires" for each in unmet]
    said += [f"it names {name}, which nothing requires" for name in unneeded]
    if order.locked:
        _refuse(said, order.outputs.lock)
    elif unmet:
        missing = [f"{each.by} requires {each.requirement}" for each in unmet]
        raise BuildError("the installed packages do not meet all requirements", *missing)


def _refuse(reasons: Sequence[str], file: Path) -> None:
    if reasons:
        fix = "fcplug build without --locked writes it again; look at what has changed"
        raise BuildError(f"{file} does not fit this package", *reasons, fix=fix)
