"""``fcplug route``: which function answers a call, and why."""

import os
from typing import Any

import click
from rich.text import Text

from fcplug.config import loader
from fcplug.inspection.explanation import Answer, Question, Step, explain
from fcplug.inspection.locating import locate
from fcplug.tools import exit_code
from fcplug.tools.command import Command
from fcplug.tools.table import print_rows
from fcplug.tools.terminal import output, print_json, printable

_BY = {
    "route": "by the route",
    "name": "by its name",
    "handler": "by the handler",
    "default": "as the default",
    "only": "as the only one",
}


@click.command(
    "route",
    cls=Command,
    examples=(
        "fcplug route --function thumbnails",
        "fcplug route --function img-a --qualifier canary",
        "fcplug route --function hello --request-id 1-2-3 --json",
    ),
)
@click.option("--function", "-f", default="", metavar="NAME", help="The function that FC calls.")
@click.option("--qualifier", "-q", default="", help="The version or alias that is asked for.")
@click.option("--handler", default="", metavar="NAME", help="The handler that FC has for it.")
@click.option("--request-id", "-r", default="", metavar="ID", help="Decides where a route splits.")
@click.option("--config", metavar="FILE", help="The configuration; else as fcplug serve finds it.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(config: str | None, as_json: bool, **asked: str) -> int:
    """Say which function answers a call, and why.

    Each rule is listed in the order in which it is tried: the routes of functions.yaml, then the
    function of that name, the one named as the handler, and the default. A route that splits its
    calls shows how many of them each function gets; with --request-id also who answers that one.

    Exit codes: 0 a function answers, 1 none does or the configuration is wrong, 2 wrong usage.
    """
    environ = dict(os.environ)
    file = locate(config, environ, "fcplug route --config")
    answer = explain(loader.load(file, environ), Question(**asked))
    if as_json:
        print_json(_json_of(file, Question(**asked), answer))
    else:
        _print(answer)
    return exit_code.PROBLEM if answer.failure else exit_code.FINE


def _print(answer: Answer) -> None:
    out = output()
    print_rows(out, ("rule", "matches", "why", "where"), list(map(_row, answer.steps)))
    out.print()
    if answer.failure:
        out.print(Text(f"no function answers: {printable(str(answer.failure))}", "error"))
        return
    shares = _shares(answer)
    if len(shares) > 1:
        listed = ", ".join(f"{name} {share}" for name, share in shares.items())
        out.print(f"{_BY[answer.by]}: {listed}")
    if answer.chosen:
        out.print(Text.assemble((answer.chosen, "good"), f" answers, {_BY[answer.by]}"))
    else:
        out.print("which one answers depends on the request id: give --request-id")


def _row(step: Step) -> tuple[str | Text, ...]:
    matches = Text("yes", "good") if step.matched else Text("no", "dim")
    place = step.place
    return step.rule, matches, step.why, f"{place.file}:{place.line}" if place else ""


def _shares(answer: Answer) -> dict[str, str]:
    whole = sum(answer.weights.values())
    return {name: f"{100 * weight / whole:.4g} %" for name, weight in answer.weights.items()}


def _json_of(file: str, question: Question, answer: Answer) -> dict[str, Any]:
    whole = sum(answer.weights.values())
    return {
        "file": file,
        "call": {key: value or None for key, value in question._asdict().items()},
        "rules": [
            {
                "rule": step.rule,
                "matches": step.matched,
                "why": step.why,
                "line": step.place.line if step.place else None,
            }
            for step in answer.steps
        ],
        "by": answer.by or None,
        "functions": [
            {"name": name, "percent": round(100 * weight / whole, 4)}
            for name, weight in answer.weights.items()
        ],
        "answers": answer.chosen or None,
        "error": str(answer.failure) if answer.failure else None,
    }
