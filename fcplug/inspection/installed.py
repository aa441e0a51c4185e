"""Every handler, middleware, application and observer that is installed, and who uses it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.loader import Config
from fcplug.errors import FcplugError
from fcplug.inspection.process import Progress, reports
from fcplug.plugins.importer import ASGI, HANDLERS, MIDDLEWARE, OBSERVERS, WSGI

KINDS = {
    HANDLERS: "handler",
    MIDDLEWARE: "middleware",
    WSGI: "wsgi",
    ASGI: "asgi",
    OBSERVERS: "observer",
}
"""The groups of entry points, and the key of ``functions.yaml`` that names what each offers."""


class Setting(NamedTuple):
    """One setting that a plugin takes; ``default`` is Python's text of it, None if required."""

    name: str
    type: str
    required: bool
    default: str | None
    schema: Mapping[str, Any]
    components: Mapping[str, Any]


class Plugin(NamedTuple):
    """A plugin that is installed, or code that ``functions.yaml`` names.

    Attributes:
        kind: the key that names it: handler, middleware, wsgi, asgi, observer.
        reference: what to write in ``functions.yaml``.
        entry: the module, or module:attribute, that it means.
        package: its distribution, empty for code that is not packaged.
        used_by: the functions that name it, and ``runtime`` for an observer.
        broken: why it cannot be imported, empty if it can.
        fix: what to do about that.
        settings: those it takes, None if it has no typed settings.
        takes_any: whether it may get others, too.
    """

    kind: str
    reference: str
    entry: str
    package: str
    version: str
    used_by: tuple[str, ...]
    broken: str = ""
    fix: str = ""
    source: str = ""
    description: str = ""
    settings: tuple[Setting, ...] | None = None
    takes_any: bool = False

    @property
    def state(self) -> str:
        """One of ``broken``, ``in use`` and ``unused``."""
        return "broken" if self.broken else "in use" if self.used_by else "unused"

    @property
    def module(self) -> str:
        """The module that has it."""
        text = self.entry.partition("[")[0].strip()
        module, found, _ = text.rpartition(":" if ":" in text or self.package else ".")
        return (module if found else text).replace("/", ".").strip()


def plugins(config: Config | None, *, limit: float, progress: Progress) -> list[Plugin]:
    """Return every installed plugin, by kind and name, and the code that the configuration names.

    Each is imported in a process of its own. Without a configuration none is in use.
    """
    known = [*_known(config, limit)]
    items = {json.dumps([_group(each.kind), each.reference]): each for each in known}
    found = []
    for done, report in enumerate(reports("plugins", list(items), {}, limit=limit)):
        plugin = items[report.item]
        progress(done, len(items), plugin.reference)
        found.append(_with_facts(plugin, report.answer, report.failure))
    return found


def _known(config: Config | None, limit: float) -> Iterator[Plugin]:
    (report,) = reports("entries", ["installed"], {}, limit=limit)
    if report.failure:
        lines = report.output.strip().splitlines() or [""]
        raise FcplugError(f"what is installed cannot be listed: {report.failure}: {lines[-1]}")
    uses = list(_uses(config)) if config else []
    entries = sorted(report.answer.get("entries", ()), key=lambda each: (_order(each[0]), each[1]))
    for group, name, value, package, version in entries:
        kind = KINDS[group]
        several = sum(each[:2] == [group, name] for each in entries) > 1
        names = {name, *(f"{each}:{name}" for each in _spellings(uses, package))}
        reference = f"{package}:{name}" if several else name
        used_by = [function for key, used, function in uses if key == kind and used in names]
        yield Plugin(kind, reference, value, package, version, tuple(dict.fromkeys(used_by)))
    offered = {(KINDS[group], name) for group, name, *_ in entries}
    for kind, used in dict.fromkeys((kind, used) for kind, used, _ in uses):
        if (kind, used.rpartition(":")[2]) not in offered and re.search("[.:]", used):
            used_by = [function for key, each, function in uses if (key, each) == (kind, used)]
            yield Plugin(kind, used, used, "", "", tuple(used_by))


def _uses(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield what each function names: the kind, the reference, and the function."""
    for name, spec in config.functions.items():
        for kind in ("handler", "wsgi", "asgi"):
            if reference := getattr(spec, kind):
                yield kind, reference, name
        for item in spec.middleware:
            yield "middleware", item.name, name
    for observer in config.runtime.observers:
        yield "observer", observer if isinstance(observer, str) else observer.name, "runtime"


def _spellings(uses: Sequence[tuple[str, str, str]], package: str) -> set[str]:
    """Return how the configuration spells a package; Python takes many spellings for one."""
    named = {reference.partition(":")[0] for _, reference, _ in uses}
    return {each for each in named if _canonical(each) == _canonical(package)}


def _with_facts(plugin: Plugin, answer: Mapping[str, Any], failure: str) -> Plugin:
    if error := answer.get("error"):
        return plugin._replace(broken=error["what"], fix=error["fix"], source=error["source"])
    if failure:
        return plugin._replace(broken=f"it cannot be imported: {failure}")
    settings = answer["settings"]
    return plugin._replace(
        description=answer["description"],
        settings=None if settings is None else tuple(Setting(**each) for each in settings),
        takes_any=answer["takes_any"],
    )


def _order(group: str) -> int:
    return list(KINDS).index(group)


def _group(kind: str) -> str:
    return next(group for group, key in KINDS.items() if key == kind)


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
