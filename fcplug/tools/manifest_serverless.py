"""``fcplug manifest s.yaml``: one package as many functions of Function Compute."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fcplug.config import loader
from fcplug.config.document import Document
from fcplug.config.loader import Config
from fcplug.errors import ConfigError, Problem
from fcplug.inspection import checker
from fcplug.inspection.checker import Result
from fcplug.manifests import fc3_rules, overlay, s_yaml, serverless, variables
from fcplug.manifests.s_yaml import Order
from fcplug.manifests.serverless import Package
from fcplug.manifests.triggers import Triggers
from fcplug.tools import exit_code, manifest_order, manifest_recall
from fcplug.tools.command import Command
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File
from fcplug.tools.progress import counting

_RECALLED = ("name", "region", "image", "python", "code", "functions")
_LIMIT = 60.0  # seconds that the plugins of one function may take to be imported


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
@manifest_order.package_options
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
    in. Options that are not given are those that made the file before. fcplug check says when the
    files no longer agree.

    Exit codes: 0 made, 1 mistakes, or s.yaml was edited, 2 wrong usage.
    """
    with counting("loading") as progress:
        result = checker.check(
            config,
            dict(os.environ),
            limit=_LIMIT,
            progress=progress,
            command=f"fcplug manifest {serverless.NAME} --config",
        )
    folder = Path(output or "")
    if output is not None:
        asked = manifest_recall.recalled(asked, folder / serverless.NAME, _RECALLED)
    text = made(result, _sound(result), folder, asked)
    files = [File(serverless.NAME, text)]
    instead = f"write your values into {overlay.NAME}"
    manifest_order.hand_over(files, output, instead, force=force, as_json=as_json)
    return exit_code.FINE


def made(result: Result, config: Config, folder: Path, asked: Mapping[str, Any]) -> str:
    """Return the text of the file.

    Args:
        result: of a check without errors.
        config: what was checked.
        folder: where the file is to be, and the overlay is.
        asked: the options of the command.

    Raises:
        WrongUsage: an option has a value that is not possible.
        ConfigError: Function Compute would not take a value, or the overlay has mistakes.
    """
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
        manifest_order.image(asked),
        variables.required(result.text),
        Triggers(config, result.text),
    )
    arguments = [serverless.NAME, "--name", name, "--region", asked["region"]]
    arguments += manifest_order.package_arguments(asked)
    for function in asked["functions"]:
        arguments += ["--function", function]
    order = Order(asked["functions"], package, arguments)
    return s_yaml.text(config, result.hooks, order, _overlay(folder))


def _sound(result: Result) -> Config:
    errors = [each for each in result.findings if each.severity == "error"]
    problems = [Problem(each.file, each.line, each.column, each.at, each.what) for each in errors]
    if len(errors) == 1 and errors[0].fix:
        raise ConfigError(problems, f"  fix: {errors[0].fix}")
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
