"""``fcplug route``: which function answers a call, and why."""

import os
from typing import Any

import click
from rich.text import Text

from fcplug.config import loader
from fcplug.inspection.explanation import Answer, Question, Step, explain
from fcplug.inspection.locating import locate
from fcplug.tools import event_input, exit_code, header_option
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
        """fcplug route --function orders --event '{"detail": {"type": "created"}}'""",
        "fcplug route --function shop --path /api/items --method POST",
    ),
)
@click.option("--function", "-f", default="", metavar="NAME", help="The function that FC calls.")
@click.option("--qualifier", "-q", default="", help="The version or alias that is asked for.")
@click.option("--handler", default="", metavar="NAME", help="The handler that FC has for it.")
@click.option("--request-id", "-r", default="", metavar="ID", help="Decides where a route splits.")
@click.option(
    "--event", metavar="TEXT|@FILE|-", help="The event, for routes that ask for its fields."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="K:V",
    help="A header of the call; may be repeated.",
)
@click.option("--path", default="", metavar="/PATH", help="The path of a web request.")
@click.option("--method", default="", metavar="GET", help="The method of a web request.")
@click.option("--config", metavar="FILE", help="The configuration; else as fcplug serve finds it.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(config: str | None, as_json: bool, **asked: Any) -> int:
    """Say which function answers a call, and why.

    Each rule is listed in the order in which it is tried: the routes of functions.yaml, then the
    function of that name, the one named as the handler, and the default. A route that splits its
    calls shows how many of them each function gets; with --request-id also who answers that one.
    With --path or --method the call is a web request; else it is one of an event.

    Exit codes: 0 a function answers, 1 none does or the configuration is wrong, 2 wrong usage.
    """
    question = _question(asked)
    environ = dict(os.environ)
    file = locate(config, environ, "fcplug route --config")
    configured = loader.load(file, environ)
    answer = explain(configured, question)
    spec = configured.functions.get(answer.chosen)
    shadow = None if question.is_web or spec is None else spec.shadow
    if as_json:
        print_json({**_json_of(file, question, answer), "shadow": shadow and shadow.to})
    else:
        _print(answer)
        if shadow:
            output().print(f"{shadow.to} gets a copy of {shadow.share:g} % of its events")
    return exit_code.PROBLEM if answer.failure else exit_code.FINE


def _question(asked: dict[str, Any]) -> Question:
    if asked["event"] is not None:
        if asked["path"] or asked["method"]:
            raise click.UsageError("a web request has no event: leave out --event, or the others")
        asked["event"] = event_input.read(asked["event"])
    if asked["path"] and not asked["path"].startswith("/"):
        raise click.UsageError(f"the path {asked['path']!r} does not begin with /")
    return Question(**{**asked, "headers": header_option.parsed(asked["headers"])})


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
        "call": {
            **{key: value or None for key, value in question._asdict().items()},
            "event": None if question.event is None else question.event.decode(errors="replace"),
        },
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
