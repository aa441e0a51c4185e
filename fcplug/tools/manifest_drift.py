"""Where an ``s.yaml`` that was made and the configuration no longer agree."""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from fcplug.config import search, yaml_strict
from fcplug.config.document import Document
from fcplug.config.yaml_mistakes import UnreadableYamlError
from fcplug.errors import ConfigError, FcplugError, Problem
from fcplug.inspection import deployment, platform_rules
from fcplug.inspection.checker import Result
from fcplug.inspection.finding import Finding
from fcplug.manifests import drift, overlay, seal, serverless
from fcplug.tools import manifest_recall, manifest_serverless

_MOST_SHOWN = 20  # differences


def with_drift(result: Result) -> Result:
    """Return a check with where its ``s.yaml``, if fcplug made it, differs from what it would be.

    What is wrong with the file and would not be with the one that is made again is left out.
    """
    if not result.deployment or result.config is None or result.count("error"):
        return result
    try:
        found = Path(result.deployment).read_text("utf-8")
    except (OSError, ValueError):
        return result  # the check has reported it
    sealed = seal.read(found)
    if sealed is None or sealed.arguments[:1] != [serverless.NAME]:
        return result
    folder = Path(result.deployment).parent
    try:
        asked = manifest_recall.parsed(manifest_serverless.command, sealed.arguments[1:])
        made = manifest_serverless.made(result, result.config, folder, asked)
    except (click.UsageError, FcplugError) as error:
        return result.with_findings(list(_unmade(result, error)))
    drifts = list(_differences(result, found, made, sealed))
    return _without_mended(result, made).with_findings(drifts) if drifts else result


def _unmade(result: Result, error: Exception) -> Iterator[Finding]:
    """Yield why a file cannot be made again."""
    if isinstance(error, ConfigError):
        fix = f"correct it, then make {result.deployment} again"
        for problem in error.problems:
            yield Finding.of(problem, "warning", "fc-drift", fix)
        return
    text = error.format_message() if isinstance(error, click.UsageError) else str(error)
    what = f"the command in its first lines cannot be run again: {text}"
    yield Finding.of(Problem(result.deployment, 0, 0, "", what), "warning", "fc-drift")


def _without_mended(result: Result, made: str) -> Result:
    """Return a check without what the file that is made again would mend."""
    if result.config is None:
        return result
    deployed = deployment.parse(made, result.deployment)
    left = platform_rules.findings(result.config, deployed, result.hooks)
    lasting = {(each.rule, each.at) for each in left}
    kept = [
        each
        for each in result.findings
        if not each.rule.startswith("fc-") or (each.rule, each.at) in lasting
    ]
    return result._replace(findings=tuple(kept))


def _differences(result: Result, found: str, made: str, sealed: seal.Sealed) -> Iterator[Finding]:
    there, wanted = _document(found, result.deployment), _document(made, result.deployment)
    if there is None or wanted is None:
        return
    again = _command(result, sealed.arguments)
    fix = f"run {again}"
    if not sealed.intact:
        fix = f"write it into {overlay.NAME}, then run {again} --force"
    has_overlay = (Path(result.deployment).parent / overlay.NAME).exists()
    source = f"{result.file} with {overlay.NAME}" if has_overlay else result.file
    each = list(drift.differences(there.values, wanted.values))
    for path, value, other in each[:_MOST_SHOWN]:
        problem = there.problem(path, f"{value} here, and {source} gives {other}")
        yield Finding.of(problem, "warning", "fc-drift", fix)
    if len(each) > _MOST_SHOWN:
        what = f"{len(each) - _MOST_SHOWN} more values differ"
        yield Finding.of(there.problem((), what), "warning", "fc-drift", fix)


def _command(result: Result, arguments: Sequence[str]) -> str:
    """Return the command that makes the file again, where it is."""
    config = [] if result.file == search.FILE else ["--config", result.file]
    folder = os.path.dirname(result.deployment) or "."
    return shlex.join(["fcplug", "manifest", *arguments, *config, "-o", folder])


def _document(text: str, file: str) -> Document | None:
    """Return the values of an ``s.yaml``, None if it cannot be read."""
    try:
        values, locations, _ = yaml_strict.read(text, lambda value: (value, []))
    except UnreadableYamlError:
        return None
    return Document(file, values, locations)
