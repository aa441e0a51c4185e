"""``fcplug check``: every problem of a configuration and of the plugins that it names."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.text import Text

from fcplug.inspection import checker
from fcplug.inspection.checker import Result
from fcplug.inspection.finding import Finding
from fcplug.tools import exit_code, manifest_drift
from fcplug.tools.command import Command
from fcplug.tools.excerpt import Sources, excerpt
from fcplug.tools.progress import counting
from fcplug.tools.terminal import Terminal, output, print_json, printable, write

_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
_INDENT = "  "
_MOST_CAUSES = 3


@click.command(
    "check",
    cls=Command,
    examples=(
        "fcplug check",
        "fcplug check config/functions.yaml --strict",
        "fcplug check --format github",
    ),
)
@click.argument("file", required=False)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    metavar="FORMAT",
    help="text, json, or github: annotations of GitHub Actions.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail the check, too.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the plugins of one function may take to be imported.",
)
def command(file: str | None, layout: str, strict: bool, timeout: float) -> int:
    """Check functions.yaml, every plugin that it names, and s.yaml beside it.

    All problems come in one report, each with its place, its cause and the likely fix. Plugins are
    imported in a process of their own; none of their hooks is run. FILE is the configuration;
    without it, the one that fcplug serve would find.

    Errors keep a function from serving. Warnings say what will behave differently on Function
    Compute than you may expect. Notes may be intended.

    Exit codes: 0 no errors, 1 errors (with --strict also warnings), 2 wrong usage.
    """
    with counting("loading") as progress:
        result = checker.check(file, dict(os.environ), limit=timeout, progress=progress)
    result = manifest_drift.with_drift(result)
    _LAYOUTS[layout](result)
    failed = result.count("error") or (strict and result.count("warning"))
    return exit_code.PROBLEM if failed else exit_code.FINE


def print_report(result: Result, out: Terminal) -> None:
    """Print all findings with their lines, and a summary."""
    sources = Sources({result.file: result.text})
    for finding in result.findings:
        _print_finding(out, finding, sources)
    if result.text:
        out.print(_summary(result))


def _print_finding(out: Terminal, finding: Finding, sources: Sources) -> None:
    place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
    what = f"{finding.at}: {finding.what}" if finding.at else finding.what
    out.print(
        Text.assemble(
            (finding.severity, finding.severity), ": ", (place, "bold"), ": ", printable(what)
        )
    )
    if line := sources.line(finding.file, finding.line):
        out.print(excerpt(line, finding.line, finding.column, out.width), soft_wrap=True)
    if finding.source:
        _print_detail(out, "in", finding.source)
        file, number = finding.code or ("", 0)
        if line := sources.line(file, number):
            out.print(excerpt(line, number, 0, out.width), soft_wrap=True)
    for cause in finding.causes[:_MOST_CAUSES]:
        if finding.rule != "UserCodeSyntaxError" and cause.partition(": ")[2] not in what:
            _print_detail(out, "cause", cause)
    if finding.fix:
        _print_detail(out, "fix", finding.fix)
    out.print()


def _print_detail(out: Terminal, label: str, text: str) -> None:
    row = Text.assemble(_INDENT, (f"{label}: ", "bold"), printable(text))
    out.print(row, soft_wrap=True)  # a command can be copied whole


def _summary(result: Result) -> Text:
    counts = [
        (f"{count} {severity}{'' if count == 1 else 's'}", severity)
        for severity in ("error", "warning", "note")
        if (count := result.count(severity))
    ]
    checked = result.file
    if result.functions:  # else none could be read
        checked += f": {result.functions} function{'' if result.functions == 1 else 's'}"
    if result.deployment:
        checked += f", compared with {result.deployment}"
    text = Text(f"{checked}: ")
    for index, (words, style) in enumerate(counts):
        text.append(", " if index else "").append(words, style)
    return text if counts else text.append("no problems", "good")


def _as_json(result: Result) -> None:
    print_json(
        {
            "file": result.file,
            "functions": result.functions,
            "deployment": result.deployment or None,
            "errors": result.count("error"),
            "warnings": result.count("warning"),
            "notes": result.count("note"),
            "findings": list(map(_json_of, result.findings)),
        }
    )


def _json_of(finding: Finding) -> dict[str, Any]:
    return {
        **finding._asdict(),
        "line": finding.line or None,
        "column": finding.column or None,
        "causes": list(finding.causes),
    }


def _as_github(result: Result) -> None:
    for finding in result.findings:
        place = {"file": finding.file}
        if finding.line:
            place |= {"line": str(finding.line), "col": str(finding.column)}
        place["title"] = f"fcplug: {finding.rule}"
        properties = ",".join(f"{key}={_property(value)}" for key, value in place.items())
        lines = [f"{finding.at}: {finding.what}" if finding.at else finding.what]
        lines += [f"in: {finding.source}"] if finding.source else []
        lines += [f"fix: {finding.fix}"] if finding.fix else []
        write(f"::{_GITHUB[finding.severity]} {properties}::{_data(chr(10).join(lines))}\n")


def _data(text: str) -> str:
    """Return a text as GitHub's workflow commands carry it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_LAYOUTS: Mapping[str, Callable[[Result], None]] = {
    "text": lambda result: print_report(result, output()),
    "json": _as_json,
    "github": _as_github,
}
