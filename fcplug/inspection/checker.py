"""A whole check: the configuration, every plugin that it names, and what FC will trip over."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from fcplug.config import loader, search
from fcplug.config.loader import Config
from fcplug.errors import ConfigError, Problem, listing
from fcplug.inspection import deployment, locating, platform_rules, timers
from fcplug.inspection.finding import Finding
from fcplug.inspection.process import Progress, Report, reports
from fcplug.runtime.unreachable import unreachable

_MOST_PRINTED = 200  # characters of what a plugin prints


class Result(NamedTuple):
    """What a check found.

    Attributes:
        file: the configuration.
        text: what it holds, empty if it cannot be read.
        functions: how many functions it has that could be looked at.
        deployment: the ``s.yaml`` that was compared, empty if there is none.
        findings: in the order of the files and their lines.
        config: what of it is sound, None if nothing is.
        hooks: those of the plugins of each function.
    """

    file: str
    text: str
    functions: int
    deployment: str
    findings: tuple[Finding, ...]
    config: Config | None = None
    hooks: platform_rules.Hooks = MappingProxyType({})

    def count(self, severity: str) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def with_findings(self, more: Sequence[Finding]) -> "Result":
        """Return this with more findings, each once and in their order."""
        found = list(dict.fromkeys([*self.findings, *more]))
        found.sort(key=lambda each: (each.file != self.file, each.file, each.line, each.column))
        return self._replace(findings=tuple(found))


def check(
    file: str | None,
    environ: Mapping[str, str],
    *,
    limit: float,
    progress: Progress,
    command: str = "fcplug check",
) -> Result:
    """Check a configuration file, the one that ``fcplug serve`` would find if none is given.

    The plugins are loaded in a process of their own, and none of their hooks is run.

    Args:
        file: the configuration.
        environ: the process environment.
        limit: seconds that the plugins of one function may take to be loaded.
        progress: is called before each function.
        command: what to write before the name of another file, as errors advise.
    """
    try:
        file = locating.locate(file, environ, command)
        text = loader.read(file)
    except ConfigError as error:
        found = [*_of_config(error.problems, error.advice)]
        return Result(file or search.FILE, "", 0, "", tuple(found))
    looked_up = _LookedUp(environ)
    config, problems = loader.examine(text, file, looked_up)
    found = [*_of_config(problems)]
    deployed_by = deployment.find(file)
    if config is None:
        return Result(file, text, 0, deployed_by, tuple(found))
    hooks: dict[str, Sequence[str]] = {}
    job = {"text": text, "file": file}
    for report in _reports(config, job, limit, progress):
        hooks[report.item] = report.answer.get("hooks", ())
        found += _of_report(config, report)
    if config.runtime.observers:
        for report in reports("observers", ["observers"], job, limit=limit):
            found += _errors_of(config, report)
    found += _of_routes(config)
    if not problems:  # else it may be an expression that is no expression
        found += timers.findings(config)
    found += _of_deployment(config, deployed_by, hooks, looked_up.given(text, file))
    count = len(config.document.values["functions"])  # also those that are wrong
    return Result(file, text, count, deployed_by, (), config, hooks).with_findings(found)


def _reports(
    config: Config, job: Mapping[str, str], limit: float, progress: Progress
) -> Iterator[Report]:
    names = list(config.functions)
    progress(0, len(names), names[0])
    for done, report in enumerate(reports("functions", names, job, limit=limit), 1):
        progress(done, len(names), names[min(done, len(names) - 1)])
        yield report


def _of_config(problems: Sequence[Problem], advice: str = "") -> Iterator[Finding]:
    for problem in problems:
        yield Finding.of(problem, "error", "configuration", advice.strip().removeprefix("fix: "))


def _of_report(config: Config, report: Report) -> Iterator[Finding]:
    """Yield what loading the plugins of one function brought to light."""
    spec = config.functions[report.item]
    key = "handler" if spec.handler else "wsgi" if spec.wsgi else "asgi"
    answering = ("functions", spec.name, key)
    yield from _errors_of(config, report)
    for text in report.answer.get("warnings", ()):
        yield Finding.of(Problem(config.file, 0, 0, "", text), "warning", "log")
    if report.failure:
        fix = "do in initialize(context) what must not happen on import, or guard it"
        what = f"the plugins cannot be loaded: {report.failure}{_printed(report.output)}"
        yield Finding.of(config.document.problem(answering, what), "error", "process-ended", fix)
    elif report.output.strip() and not spec.python:
        what = f"a plugin prints while it is imported{_printed(report.output)}"
        yield Finding.of(config.document.problem(answering, what), "note", "import-output")


def _errors_of(config: Config, report: Report) -> Iterator[Finding]:
    """Yield the plugins that could not be loaded."""
    for error in report.answer.get("errors", ()):
        details = {"source": error["source"], "causes": tuple(error["causes"])}
        places = [Problem(*each) for each in error["problems"]]
        for place in places or [config.document.problem(tuple(error["path"]), error["what"])]:
            finding = Finding.of(place, "error", error["kind"], error["fix"])
            yield finding._replace(**details)


def _of_routes(config: Config) -> Iterator[Finding]:
    for problem in unreachable(config):
        first = "comes first" in problem.what
        fix = "put it before the other, or remove it" if first else "correct it, or remove it"
        yield Finding.of(problem, "warning", "route-unreachable", fix)


def _printed(output: str) -> str:
    lines = list(dict.fromkeys(line for line in output.splitlines() if line.strip()))
    if not lines:
        return ""
    text = " / ".join(lines)
    return f"; it printed: {text[:_MOST_PRINTED]}{'...' if len(text) > _MOST_PRINTED else ''}"


def _of_deployment(
    config: Config, file: str, hooks: platform_rules.Hooks, variables: Mapping[str, Problem]
) -> Iterator[Finding]:
    deployed, problems = deployment.read(file) if file else ([], [])
    for problem in problems:
        yield Finding.of(problem, "warning", "fc-deployment", "correct it: nothing is compared")
    yield from platform_rules.findings(config, deployed, hooks)
    for name, problem in variables.items():
        lacking = [
            each.name for each in deployed if f"environmentVariables.{name}" not in each.locations
        ]
        if lacking:
            what = f"{problem.what}; {file} does not set it for {listing(lacking)}"
            fix = f"add {name} to environmentVariables in {file}, or give a default"
            yield Finding.of(problem._replace(what=what), "warning", "variable", fix)
        elif not deployed:
            yield Finding.of(problem, "note", "variable", "set it on FC, too, or give a default")


class _LookedUp(Mapping[str, str]):
    """The environment, and which of its variables the configuration takes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self._names.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def given(self, text: str, file: str) -> dict[str, Problem]:
        """Return the variables that are set here and have no default, each with its place."""
        found = {}
        lines = text.splitlines()
        for name in sorted(self._names & self._environ.keys()):
            if platform_rules.is_set_by_fc(name):
                continue
            for number, line in enumerate(lines, 1):
                if (column := line.find(f"${{{name}}}")) >= 0 and "#" not in line[:column]:
                    what = f"${{{name}}} has its value from the environment of this check"
                    found[name] = Problem(file, number, column + 1, "", what)
                    break
        return found
