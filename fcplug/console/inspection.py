"""What there is to know of fcplug's own functions: their plugins, their routes, their mistakes."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.config.routes import RouteEntry
from fcplug.errors import ConfigError, FcplugError
from fcplug.inspection import checker, installed
from fcplug.inspection.finding import Finding
from fcplug.inspection.installed import Plugin

_LIMIT = 60.0  # seconds that the plugins of one function may take to be imported

log = logging.getLogger("fcplug.console")


class FunctionFacts(NamedTuple):
    """One function of the configuration; ``findings`` are those at its keys."""

    kind: str
    reference: str
    plugin: Plugin | None
    middleware: Sequence[str]
    routes: Sequence[str]
    findings: Sequence[Finding]

    @property
    def broken(self) -> Sequence[Finding]:
        """What keeps it from serving."""
        return [each for each in self.findings if each.severity == "error"]


class Inspected(NamedTuple):
    """What an inspection found. ``text`` is the configuration's, empty if it cannot be read."""

    file: str
    text: str
    deployment: str
    findings: Sequence[Finding]
    functions: Mapping[str, FunctionFacts]

    def count(self, severity: str) -> int:
        """Return how many findings have a severity."""
        return sum(each.severity == severity for each in self.findings)


class Inspection:
    """Inspects a configuration in a thread of its own: first when somebody looks, then on edits.

    Attributes:
        ended: how many inspections have ended.
    """

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.ended = 0
        self._file = file
        self._environ = environ
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._latest: Inspected | None = None

    @property
    def possible(self) -> bool:
        """Whether there is a configuration: other runtimes have none."""
        return bool(self._file)

    def latest(self) -> Inspected | None:
        """Return what the last inspection found, None before the first, which is begun then."""
        if self._latest is None and self._thread is None:
            self.renew()
        return self._latest

    def renew(self) -> None:
        """Inspect again. What is asked for during an inspection is done once, after it."""
        with self._lock:
            self._wanted = self.possible
            if self._wanted and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="fcplug-console-inspection", daemon=True
                )
                self._thread.start()

    def edited(self) -> None:
        """Inspect again if somebody has looked at what was found before."""
        if self._latest is not None or self._thread is not None:
            self.renew()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                self._wanted = False
            try:
                self._latest = inspect(self._file, self._environ)
            except Exception as error:  # the next edit has another chance
                if not isinstance(error, FcplugError | OSError):
                    log.exception("the inspection for the console failed")
                self._latest = _failed(self._file, error)
            self.ended += 1


def inspect(file: str, environ: Mapping[str, str]) -> Inspected:
    """Return everything there is to know of a configuration and the plugins that it names."""
    result = checker.check(file, environ, limit=_LIMIT, progress=_silent)
    try:
        config, _ = loader.examine(result.text, file, environ)
    except ConfigError:
        config = None
    functions: dict[str, FunctionFacts] = {}
    if config is not None:
        plugins = installed.plugins(config, limit=_LIMIT, progress=_silent)
        own = _by_function(result.findings, config.functions)
        for name, spec in config.functions.items():
            functions[name] = _facts(config, spec, plugins, own[name])
    return Inspected(result.file, result.text, result.deployment, result.findings, functions)


def _failed(file: str, error: Exception) -> Inspected:
    what = f"the configuration cannot be inspected: {error}"
    finding = Finding("error", "inspection", file, 0, 0, "", what)
    return Inspected(file, "", "", (finding,), {})


def _facts(
    config: Config, spec: FunctionSpec, plugins: Sequence[Plugin], findings: Sequence[Finding]
) -> FunctionFacts:
    kind = "handler" if spec.handler else "wsgi" if spec.wsgi else "asgi"
    reference = spec.handler or spec.application or ""
    plugin = next(
        (each for each in plugins if each.kind == kind and spec.name in each.used_by), None
    )
    return FunctionFacts(
        kind,
        reference,
        plugin,
        [each.name for each in spec.middleware],
        [*_routes(config, spec.name)],
        findings,
    )


def _by_function(
    findings: Sequence[Finding], names: Mapping[str, object]
) -> Mapping[str, Sequence[Finding]]:
    """Return the findings of each function. Names may contain dots: the longest one counts."""
    found: dict[str, list[Finding]] = {name: [] for name in names}
    for finding in findings:
        at = f"{finding.at.removeprefix('functions.')}."
        fitting = [name for name in names if at.startswith(f"{name}.")]
        if fitting:
            found[max(fitting, key=len)].append(finding)
    return found


def _routes(config: Config, name: str) -> Iterator[str]:
    for route in config.routes:
        weights = route.to if isinstance(route.to, dict) else {route.to: 1}
        if weight := weights.get(name):
            share = 100 * weight / sum(weights.values())
            yield f"{_matched(route)}{'' if share == 100 else f' ({share:g} % of the calls)'}"
    if config.default == name:
        yield "everything that nothing else matches"


def _matched(route: RouteEntry) -> str:
    """Return what a rule asks for, such as ``function order-*, header x-tier: gold or trial``."""
    wanted: dict[str, Sequence[object]] = dict(route.match.names)
    for (key, name), values in route.match.content.items():
        wanted[f"{key} {name}:" if name else key] = values
    texts = [f"{key} {' or '.join(map(str, values))}" for key, values in wanted.items()]
    return ", ".join(texts) or "every call"


def _silent(_done: int, _all: int, _next: str) -> None:
    """Show no progress."""
