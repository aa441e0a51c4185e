"""``fcplug manifest s.yaml``, and where such a file and the configuration no longer agree."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fcplug.config import loader, search, yaml_strict
from fcplug.config.document import Document
from fcplug.config.loader import Config
from fcplug.errors import ConfigError, FcplugError, Problem
from fcplug.inspection import checker
from fcplug.inspection.checker import Result
from fcplug.inspection.finding import Finding
from fcplug.manifests import drift, fc3_rules, overlay, s_yaml, seal, serverless, variables
from fcplug.manifests.image import IMAGES
from fcplug.manifests.s_yaml import Order
from fcplug.manifests.serverless import Package
from fcplug.manifests.triggers import Triggers
from fcplug.tools import exit_code, manifest_order
from fcplug.tools.command import Command
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File
from fcplug.tools.progress import counting

_LIMIT = 60.0  # seconds that the plugins of one function may take to be imported
_CODE = "./code.zip"
_MOST_SHOWN = 20  # differences


@click.command(
    "s.yaml",
    cls=Command,
    short_help="Write s.yaml, for Serverless Devs.",
    examples=(
        "fcplug manifest s.yaml",
        "fcplug manifest s.yaml --region cn-shanghai -o .",
        "fcplug manifest s.yaml --function hello --function thumbnails",
    ),
)
@click.option("--name", metavar="NAME", help="The project; else the name of its folder.")
@click.option("--region", default="cn-hangzhou", show_default=True, help="Where to deploy.")
@manifest_order.image_option
@click.option(
    "--code", default=_CODE, show_default=True, metavar="PATH", help="The package, from s.yaml."
)
@click.option(
    "--function", "-f", "functions", multiple=True, metavar="NAME", help="Only this; repeatable."
)
@manifest_order.options
def command(
    config: str | None, output: str | None, force: bool, as_json: bool, **asked: Any
) -> int:
    """Write s.yaml: the package of fcplug build as one function for each of functions.yaml.

    Limits, hooks, triggers and variables are those of functions.yaml and its plugins, which are
    imported in a process of their own. What you write into s.overlay.yaml, beside s.yaml, is merged
    in. fcplug check says when the files no longer agree.

    Exit codes: 0 made, 1 mistakes, or s.yaml was edited, 2 wrong usage.
    """
    with counting("loading") as progress:
        result = checker.check(config, dict(os.environ), limit=_LIMIT, progress=progress)
    over = _overlay(Path(output or ""))
    text = _made(_sound(result), result, over, asked)
    files = [File(serverless.NAME, text)]
    manifest_order.hand_over(files, output, force=force, as_json=as_json)
    return exit_code.FINE


def findings(result: Result) -> Iterator[Finding]:
    """Yield where an ``s.yaml`` that was made differs from what would be made now."""
    if not result.deployment or result.config is None or result.count("error"):
        return
    try:
        found = Path(result.deployment).read_text("utf-8")
    except (OSError, ValueError):
        return  # the check has reported it
    sealed = seal.read(found)
    if sealed is None or sealed.arguments[:1] != [serverless.NAME]:
        return
    folder = Path(result.deployment).parent
    try:
        asked = _asked(sealed.arguments[1:])
        made = _made(result.config, result, _overlay(folder), asked)
    except click.UsageError as error:
        what = f"the command in its first lines is wrong: {error.format_message()}"
        yield Finding.of(Problem(result.deployment, 0, 0, "", what), "warning", "fc-drift")
        return
    except ConfigError as error:
        for problem in error.problems:
            yield Finding.of(problem, "warning", "fc-drift", "s.yaml can only be made again then")
        return
    except FcplugError as error:
        problem = Problem(result.deployment, 0, 0, "", f"cannot be made again: {error}")
        yield Finding.of(problem, "warning", "fc-drift")
        return
    yield from _differences(result, found, made, sealed)


def _differences(result: Result, found: str, made: str, sealed: seal.Sealed) -> Iterator[Finding]:
    there = _document(found, result.deployment)
    if there is None:
        return
    again = _command(result, sealed.arguments)
    fix = f"run {again}"
    if not sealed.intact:
        fix = f"write it into {overlay.NAME}, then run {again} --force"
    has_overlay = (Path(result.deployment).parent / overlay.NAME).exists()
    source = f"{result.file} with {overlay.NAME}" if has_overlay else result.file
    each = list(drift.differences(there.values, yaml_strict.read(made, _as_is)[0]))
    for path, value, wanted in each[:_MOST_SHOWN]:
        problem = there.problem(path, f"{value} here, and {source} gives {wanted}")
        yield Finding.of(problem, "warning", "fc-drift", fix)
    if len(each) > _MOST_SHOWN:
        what = f"{len(each) - _MOST_SHOWN} more values differ"
        yield Finding.of(there.problem((), what), "warning", "fc-drift", fix)


def _command(result: Result, arguments: Sequence[str]) -> str:
    """Return the command that makes the file again, where it is."""
    config = [] if result.file == search.FILE else ["--config", result.file]
    folder = os.path.dirname(result.deployment) or "."
    return shlex.join(["fcplug", "manifest", *arguments, *config, "-o", folder])


def _as_is(value: str) -> tuple[str, list[str]]:
    return value, []


def _document(text: str, file: str) -> Document | None:
    """Return the values of an ``s.yaml``, None if it cannot be read."""
    try:
        values, locations, _ = yaml_strict.read(text, _as_is)
    except yaml_strict.UnreadableYamlError:
        return None
    return Document(file, values, locations)


def _asked(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the options of a command that a file names.

    Raises:
        click.UsageError: they are not those of the command.
    """
    context = command.make_context(serverless.NAME, list(arguments))
    return {name: value for name, value in context.params.items() if name not in _OF_EVERY_COMMAND}


_OF_EVERY_COMMAND = ("config", "output", "force", "as_json")


def _made(config: Config, result: Result, over: Document | None, asked: Mapping[str, Any]) -> str:
    manifest_order.check_functions(config, asked["functions"])
    if not asked["code"].isprintable() or "${" in asked["code"]:
        raise WrongUsage(f"--code: {asked['code']!r} is not a path that s.yaml can have")
    if what := fc3_rules.check_region(asked["region"]):
        raise WrongUsage(f"--region: {what}")
    name = manifest_order.project(config, asked["name"])
    package = Package(
        name,
        asked["code"],
        asked["region"],
        IMAGES[asked["image"]],
        variables.required(result.text),
        Triggers(config, result.text),
    )
    arguments = [serverless.NAME, "--name", name]
    for option in ("region", "image", "code"):
        arguments += [f"--{option}", asked[option]]
    for function in asked["functions"]:
        arguments += ["--function", function]
    return s_yaml.text(config, result.hooks, Order(asked["functions"], package, arguments), over)


def _sound(result: Result) -> Config:
    problems = [
        Problem(each.file, each.line, each.column, each.at, each.what)
        for each in result.findings
        if each.severity == "error"
    ]
    manifest_order.refuse_problems(problems)
    assert result.config is not None  # noqa: S101 - else there is an error
    return result.config


def _overlay(folder: Path) -> Document | None:
    """Return the overlay in a folder, None if there is none.

    Raises:
        ConfigError: it cannot be read, or has mistakes.
    """
    file = folder / overlay.NAME
    if not os.path.lexists(file):
        return None
    return overlay.parse(loader.read(str(file)), str(file))
