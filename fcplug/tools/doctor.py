"""``fcplug doctor``: what a bug report needs, and what is wrong with the installation."""

import os
from collections.abc import Mapping

import click
from rich.text import Text

from fcplug.inspection.distributions import Trouble
from fcplug.inspection.environment import Diagnosis, diagnose
from fcplug.tools import exit_code
from fcplug.tools.command import Command
from fcplug.tools.terminal import Terminal, output, print_json, printable


@click.command(
    "doctor",
    cls=Command,
    examples=("fcplug doctor", "fcplug doctor --json > report.json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(as_json: bool) -> int:
    """Print what a bug report needs, and what is wrong with the installation.

    The report has the versions of Python, fcplug, its packages and the plugins, the paths, and the
    configuration that fcplug serve would find. It has no credential: of variables that may hold one
    only the name is shown. Attach it to a bug report.

    Problems are requirements that are not met, distributions that are there twice, and two
    distributions that own the same file. Notes are a port in use and modules without bytecode.

    Exit codes: 0 no problems, 1 problems, 2 wrong usage.
    """
    found = diagnose(dict(os.environ))
    if as_json:
        print_json(
            {
                **found.sections,
                "path": list(found.sections["path"].values()),
                "problems": [each._asdict() for each in found.troubles],
                "notes": [each._asdict() for each in found.notes],
            }
        )
    else:
        _print(found)
    return exit_code.PROBLEM if found.troubles else exit_code.FINE


def _print(found: Diagnosis) -> None:
    out = output()
    for heading, facts in found.sections.items():
        out.print(Text(heading, "bold"))
        _print_facts(out, facts)
        out.print()
    for each in found.troubles:
        _print_trouble(out, each, "problem", "error")
    for each in found.notes:
        _print_trouble(out, each, "note", "note")
    if not found.troubles:
        out.print(Text("no problems", "good"))


def _print_facts(out: Terminal, facts: Mapping[str, str]) -> None:
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        text = printable(" ".join(value.split()))
        out.print(Text.assemble("  ", (f"{name:<{width}}", "dim"), f"  {text}"), soft_wrap=True)
    if not facts:
        out.print(Text("  none", "dim"))


def _print_trouble(out: Terminal, trouble: Trouble, word: str, style: str) -> None:
    out.print(Text.assemble((word, style), f": {printable(trouble.what)}"), soft_wrap=True)
    out.print(Text.assemble(("  fix: ", "bold"), printable(trouble.fix)), soft_wrap=True)
