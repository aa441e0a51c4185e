"""From a name in ``functions.yaml`` to the object it means: entry points, or code by its name."""

import importlib
import os
import re
import shlex
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from fcplug.errors import PluginError, did_you_mean, listing
from fcplug.result import is_own_file, message_of

HANDLERS = "fcplug.handlers"
MIDDLEWARE = "fcplug.middleware"

_ROLES = {HANDLERS: "handler", MIDDLEWARE: "middleware"}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Source(NamedTuple):
    """Where a plugin comes from, for people."""

    group: str
    reference: str
    entry: metadata.EntryPoint | None = None

    @property
    def package(self) -> str:
        """The distribution and its version, empty for code that is not packaged."""
        dist = self.entry.dist if self.entry else None
        return f"{dist.name} {dist.version}" if dist else ""

    def __str__(self) -> str:
        text = f"{_ROLES[self.group]} '{self.reference}'"
        if self.entry:
            text += f" (entry point {self.entry.name} = {self.entry.value}, {self.package})"
        return text


class Catalog:
    """The entry points of all installed distributions, listed when first asked for."""

    def __init__(self) -> None:
        self._groups: dict[str, list[metadata.EntryPoint]] = {}

    def entry_points(self, group: str) -> list[metadata.EntryPoint]:
        """Return the entry points of a group; nothing is imported."""
        if group not in self._groups:
            self._groups[group] = list(metadata.entry_points(group=group))
        return self._groups[group]

    def forget(self) -> None:
        """Look again next time: something may have been installed, or a file corrected."""
        self._groups.clear()
        importlib.invalidate_caches()


def find(catalog: Catalog, group: str, reference: str) -> tuple[Any, Source]:
    """Return the object that a name in ``functions.yaml`` means, imported, and its source.

    A name is that of an entry point, alone or after its distribution (``dist:name``), or of code:
    ``module:attribute``, or FC's own ``module.attribute``.

    Raises:
        PluginError: there is no such thing, or it cannot be imported.
    """
    source = Source(group, reference, _entry_point(catalog, group, reference))
    try:
        if source.entry:
            return _attribute(source.entry.module, source.entry.attr, source), source
        return _attribute(*_code_names(catalog, group, reference), source), source
    except PluginError as error:
        raise error.located(f"{source}{error.where}") from error.__cause__


def _entry_point(catalog: Catalog, group: str, reference: str) -> metadata.EntryPoint | None:
    entries = catalog.entry_points(group)
    found = [entry for entry in entries if entry.name == reference]
    if not found and ":" in reference:
        package, _, name = reference.partition(":")
        found = [e for e in entries if e.name == name and _offers(e, package)]
    if len(found) > 1:
        role = _ROLES[group]
        packages = sorted(entry.dist.name for entry in found if entry.dist)
        raise PluginError(
            "PluginAmbiguous",
            f"{len(found)} packages offer the {role} '{reference}': {', '.join(packages)}",
            fix=f"say which: {role}: {packages[0]}:{reference}",
        )
    return found[0] if found else None


def _offers(entry: metadata.EntryPoint, package: str) -> bool:
    return entry.dist is not None and _canonical(entry.dist.name) == _canonical(package)


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _code_names(catalog: Catalog, group: str, reference: str) -> tuple[str, str]:
    """Split the name of code into module and attribute, as FC's built-in runtime does."""
    separator = ":" if ":" in reference else "."
    module, found, attribute = reference.rpartition(separator)
    module = module.replace("/", ".").lstrip(".")
    if not found:
        raise _not_installed(catalog, group, reference)
    if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
        raise PluginError(
            "InvalidHandleName",
            f"Invalid handler '{reference}'",
            fix="write the name of an installed handler, module:function or module.function",
        )
    return module, attribute


def _not_installed(catalog: Catalog, group: str, name: str) -> PluginError:
    role = _ROLES[group]
    known = {entry.name for entry in catalog.entry_points(group)}
    folder = _folder_that_offers(group, name)
    return PluginError(
        "PluginNotFound",
        f"no installed package offers the {role} '{name}'{did_you_mean(name, known)}; "
        f"installed: {listing(known)}",
        fix=_pip_install(folder)
        if folder
        else f"{_pip_install('PACKAGE')}, with the package that offers it; "
        "code that is not packaged is named module:function",
    )


def _folder_that_offers(group: str, name: str) -> str | None:
    """Return the folder of a plugin in the source tree that offers what is not installed yet."""
    section = re.compile(
        rf'^\[project\.entry-points\."{re.escape(group)}"\]$'
        rf'(?:\n(?!\[).*)*?\n"?{re.escape(name)}"?\s*=',
        re.MULTILINE,
    )
    for project in sorted(Path("plugins").glob("*/pyproject.toml")):
        if section.search(project.read_text("utf-8", "replace")):
            return f"./{project.parent.as_posix()}"
    return None


def _pip_install(what: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", what])


def _attribute(module_name: str, attribute: str, source: Source) -> Any:
    """Import a module and return its attribute, or the module itself for an empty name."""
    target = module = _module(module_name, source)
    for name in filter(None, attribute.split(".")):
        if not hasattr(target, name):
            known = [known for known in dir(target) if not known.startswith("_")]
            raise PluginError(
                "HandlerNotFound",
                f"Handler '{attribute}' is missing on module '{module_name}'"
                f"{did_you_mean(name, known)}",
                fix="define it there, or correct the name",
            ).located(f", {getattr(module, '__file__', None) or module_name}")
        target = getattr(target, name)
    return target


def _module(name: str, source: Source) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        problem = PluginError(
            "ImportModuleError",
            f"Unable to import module '{name}': {error}",
            fix=_fix_of_missing(error.name or name, name, source),
            causes=_chain(error),
        )
        raise problem.located(_line(error)) from error
    except ImportError as error:
        clash = f"{error.path} is what Python found: " if error.path else ""
        problem = PluginError(
            "ImportModuleError",
            f"Unable to import module '{name}': {message_of(error)}",
            fix=f"{clash}another version, or another file of that name, is in the way",
            causes=_chain(error),
        )
        raise problem.located(_line(error)) from error
    except SyntaxError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        problem = PluginError(
            "UserCodeSyntaxError",
            f"Syntax error in module '{name}': {error.msg}",
            fix=f"correct the line (this is Python {version})",
            causes=_chain(error),
        )
        raise problem.located(f", {error.filename}:{error.lineno}") from error
    except BaseException as error:
        raised = f"{type(error).__name__}: {message_of(error)}"
        problem = PluginError(
            "UserCodeError",
            f"Module initialization error: '{raised}' in module '{name}'",
            fix="a module must not exit while it is imported: guard it with __name__"
            if isinstance(error, SystemExit)
            else "correct what the module does when it is imported",
            causes=_chain(error),
        )
        raise problem.located(_line(error)) from error


def _fix_of_missing(missing: str, module: str, source: Source) -> str:
    """Tell how to get a module that an import did not find."""
    dist = source.entry.dist if source.entry else None
    if f"{module}.".startswith(f"{missing}."):
        if dist:
            return _pip_install("--force-reinstall") + f" {dist.name}=={dist.version}"
        files = {path.stem for folder in sys.path[:3] for path in Path(folder or ".").glob("*.py")}
        return f"put {missing}.py where Python looks for it ({sys.path[0] or os.getcwd()})" + (
            did_you_mean(missing, files)
        )
    for requirement in (dist.requires or ()) if dist else ():
        if ";" not in requirement and not _installed(requirement):
            return _pip_install(requirement)
    package = missing.partition(".")[0]
    declared = f", and declare it in the dependencies of {dist.name}" if dist else ""
    return f"{_pip_install(package)} (if the package is called as its module){declared}"


def _installed(requirement: str) -> bool:
    name = _REQUIREMENT.match(requirement)
    try:
        return bool(name and metadata.distribution(name[0]))
    except metadata.PackageNotFoundError:
        return False


def _line(error: BaseException) -> str:
    """Return the author's line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_own_file(frame.filename)]
    return f", {own[-1].filename}:{own[-1].lineno}" if own else ""


def _chain(error: BaseException | None) -> list[str]:
    """Return the text of an exception and of its causes, each line a string."""
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = traceback.format_exception_only(type(error), error)
        if isinstance(error, SyntaxError):  # FC lists the first line's parts one by one
            text = [part for line in text[:1] for part in line.split(",")] + text[1:]
        lines += [line.strip() for part in text for line in part.splitlines()]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines
