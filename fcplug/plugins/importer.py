"""Resolve a name in ``functions.yaml`` to an object."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from fcplug.errors import PluginError, did_you_mean, listing
from fcplug.hookspecs import KEYS
from fcplug.plugins import import_record, name_clash
from fcplug.plugins.entry_points import EntryPoint, EntryPointIndex
from fcplug.plugins.import_record import ImportRecord, package_of
from fcplug.result import causes_of, summary

log = logging.getLogger("fcplug")

HANDLERS = "fcplug.handlers"
MIDDLEWARE = "fcplug.middleware"
WSGI = "fcplug.wsgi"
ASGI = "fcplug.asgi"
OBSERVERS = "fcplug.observers"

_ROLES = {
    HANDLERS: "handler",
    MIDDLEWARE: "middleware",
    WSGI: "WSGI application",
    ASGI: "ASGI application",
    OBSERVERS: "observer",
    **{key: key for key in KEYS},
}


class Source(NamedTuple):
    """Where a plugin comes from, for messages.

    Attributes:
        group: the entry-point group or the key of ``functions.yaml`` that names the plugin.
        reference: the name as it is written in ``functions.yaml``.
        entry: the entry point, None for code.
        module, attribute: where the object is defined.
        imported: the modules that were loaded to resolve it.
    """

    group: str
    reference: str
    entry: EntryPoint | None = None
    module: str = ""
    attribute: str = ""
    imported: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The distribution and its version; empty for code outside of packages."""
        return f"{self.entry.package} {self.entry.version}" if self.entry else ""

    @property
    def file(self) -> str:
        """The file of the plugin's module; empty if it has none."""
        return getattr(sys.modules.get(self.module), "__file__", None) or ""

    def __str__(self) -> str:
        text = f"{_ROLES[self.group]} '{self.reference}'"
        if self.entry:
            text += f" (entry point {self.entry.name} = {self.entry.value}, {self.package})"
        return text


def resolve(index: EntryPointIndex, group: str, reference: str) -> tuple[Any, Source]:
    """Import the object of a name in ``functions.yaml``.

    Returns the object and its source.

    The name is an entry point (``name`` or ``distribution:name``) or code (``module:attribute``, or
    ``module.attribute`` as on FC). For keys that always name code, ``group`` is the key.

    Raises:
        PluginError: the object does not exist, or cannot be imported.
    """
    source = locate(index, group, reference)
    module, attribute = source.module, source.attribute
    with attributed_to(source):
        record = ImportRecord()
        folder = "" if source.entry else name_clash.folder_with(package_of(module))
        try:
            with record:
                target = _attribute(module, attribute, source)
        except BaseException:
            import_record.unload(record.modules_of(module, folder))
            raise
        return target, source._replace(imported=record.modules_of(module, folder))


def locate(index: EntryPointIndex, group: str, reference: str) -> Source:
    """Return where the object of a name is defined, and import nothing.

    Raises:
        PluginError: as ``resolve``, as far as that is known without an import.
    """
    source = Source(group, reference)
    with attributed_to(source):
        if group not in KEYS:
            source = source._replace(entry=_entry_point(index, group, reference))
    with attributed_to(source):
        module, attribute = _code_names(index, source)
        return source._replace(module=module, attribute=attribute)


def unload(source: Source) -> None:
    """Unload a broken plugin, so that it can be imported again.

    Modules that were loaded before stay, because other plugins use them.
    """
    import_record.unload(source.imported)


@contextmanager
def attributed_to(source: Source, location: Callable[[], str] = str) -> Iterator[None]:
    """Name the plugin in any error of its code or metadata.

    ``location`` returns where the plugin is defined, for errors without a location.

    Raises:
        PluginError: instead of the original error, which becomes its cause.
    """
    try:
        yield
    except PluginError as error:
        raise error.located(f"{source}{error.where or location()}") from error.__cause__
    except BaseException as error:
        problem = PluginError(
            "UserCodeError",
            f"loading the plugin failed: {summary(error)}",
            causes=causes_of(error),
        )
        raise problem.located(
            f"{source}{_import_failure_module().line_of(error) or location()}"
        ) from error


def _import_failure_module() -> ModuleType:
    """Import the module that explains failed imports, only when an import has failed."""
    from fcplug.plugins import import_failure  # noqa: PLC0415

    return import_failure


def _entry_point(index: EntryPointIndex, group: str, reference: str) -> EntryPoint | None:
    found = [entry for entry in index.entry_points(group) if entry.name == reference]
    package, colon, name = reference.partition(":")
    if not found and colon and package:
        offered = index.entry_points(group, package)
        found = [entry for entry in offered if entry.name == name]
        if offered and not found:
            known = {entry.name for entry in offered}
            raise PluginError(
                "PluginNotFound",
                f"{package} offers no {_ROLES[group]} '{name}'{did_you_mean(name, known)}; "
                f"it offers: {listing(known)}",
                fix="correct the name, or install a version of the package that offers it",
            )
    if not found:
        _reject_other_role(index, group, reference)
    if len(found) > 1:
        role = _ROLES[group]
        packages = sorted(entry.package for entry in found)
        raise PluginError(
            "PluginAmbiguous",
            f"{len(found)} packages offer the {role} '{reference}': {', '.join(packages)}",
            fix=f"name the package, too: {_key(group)}: {packages[0]}:{reference}",
        )
    return found[0] if found else None


def _reject_other_role(index: EntryPointIndex, group: str, reference: str) -> None:
    """Reject an entry point's name, with or without distribution, that belongs to another key.

    Raises:
        PluginError: it belongs to another key, which the error names.
    """
    package, colon, name = reference.rpartition(":")
    if "." in name or (colon and (not package or package.isidentifier())):
        return  # code, not an entry point
    for other in {HANDLERS, MIDDLEWARE, WSGI, ASGI} - {group}:
        if any(entry.name == name for entry in index.entry_points(other, package)):
            value = f"[{reference}]" if other == MIDDLEWARE else reference
            beside = ", and name a handler beside it" if other == MIDDLEWARE else ""
            raise PluginError(
                "PluginNotFound",
                f"'{reference}' is offered as {_ROLES[other]}, not as {_ROLES[group]}",
                fix=f"write {_key(other)}: {value}{beside}",
            )


def _key(group: str) -> str:
    """Return the key of ``functions.yaml`` that belongs to a group."""
    return group.rpartition(".")[2] if group in (WSGI, ASGI) else _ROLES[group]


def _code_names(index: EntryPointIndex, source: Source) -> tuple[str, str]:
    """Return module and attribute of a name, split as FC's built-in runtime does."""
    if source.entry:
        value = source.entry.value.partition("[")[0].strip()
        module, _, attribute = (part.strip() for part in value.partition(":"))
        names = [*module.split("."), *(attribute.split(".") if attribute else ())]
        what, fix = f"Invalid entry point '{source.entry.value}'", "module, or module:attribute"
    else:
        reference = source.reference
        module, found, attribute = reference.rpartition(":" if ":" in reference else ".")
        module = module.replace("/", ".").lstrip(".")
        _reject_file(source)
        if not found and source.group not in KEYS:
            known = {entry.name for entry in index.entry_points(source.group)}
            raise _import_failure_module().not_installed(
                source.group, _ROLES[source.group], reference, known
            )
        names = [*module.split("."), *attribute.split(".")]
        role = _ROLES[source.group]
        what = f"Invalid {role} '{reference}'"
        installed = "" if source.group in KEYS else f"the name of an installed {role}, "
        fix = f"write {installed}module:attribute or module.attribute"
    if not all(map(str.isidentifier, names)):
        raise PluginError("InvalidHandleName", what, fix=fix)
    return module, attribute


def _reject_file(source: Source) -> None:
    """Reject the name of a file, such as ``greeter.py`` or ``greeter.py:handle``.

    Raises:
        PluginError: it is the name of a file.
    """
    file, _, attribute = source.reference.partition(":")
    if file.endswith(".py"):
        raise PluginError(
            "InvalidHandleName",
            f"Invalid {_ROLES[source.group]} '{source.reference}': {file} is a file",
            fix=f"write {file.removesuffix('.py').removeprefix('./')}:{attribute or 'NAME'}"
            f"{'' if attribute else ', with the NAME of a function or class in it'}",
        )


def _attribute(module_name: str, attribute: str, source: Source) -> Any:
    """Import a module and return its attribute; the module itself for an empty name."""
    target = module = _module(module_name, source)
    role = _ROLES[source.group]
    for name in filter(None, attribute.split(".")):
        if not hasattr(target, name):
            known = [known for known in dir(target) if not known.startswith("_")]
            raise PluginError(
                "HandlerNotFound",
                f"{role[0].upper()}{role[1:]} '{attribute}' is missing on module '{module_name}'"
                f"{did_you_mean(name, known)}",
                fix="define it there, or correct the name",
            ).located(f", {getattr(module, '__file__', None) or module_name}")
        target = getattr(target, name)
    return target


def _shadowed(name: str) -> PluginError | None:
    """Return the error to raise if another module of this name hides the user's file, or None.

    A process can have only one module of a name, and this one was imported before.
    """
    package = package_of(name)
    if not (clash := name_clash.shadowed(package)):
        return None
    source, other = clash
    return PluginError(
        "HandlerNotFound",
        f"{source} is never imported: module '{package}' is {other}, which was imported earlier",
        fix=f"rename {source}, and its name in functions.yaml",
    ).located(f", {source}")


def _module(name: str, source: Source) -> Any:
    problem = None if source.entry else _shadowed(name)
    if problem:
        raise problem
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        raise _import_failure_module().import_failure(error, name, source.entry) from error
    for beside, other in name_clash.siblings(module):
        log.warning(
            "%s is not the module that '%s' imports: it gets %s, which was imported first under "
            "that name; import it as part of its package, or rename one of the files",
            *(beside, name, other),
        )
    return module
