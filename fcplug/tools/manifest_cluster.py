"""``fcplug manifest kubernetes`` and ``knative``: the objects that run functions on a cluster."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.inspection.locating import locate
from fcplug.manifests import applications, knative, kubernetes
from fcplug.manifests.applications import Application
from fcplug.manifests.pod import Order
from fcplug.tools import exit_code, manifest_order, manifest_recall
from fcplug.tools.command import Command
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File

Text = Callable[[Config, Application, Order], str]

_RECALLED = ("namespace", "least", "most")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?")
_OPTIONS = (
    click.option("--image", required=True, metavar="NAME", help="The container image to run."),
    click.option("--name", metavar="NAME", help="The project; else the name of its folder."),
    click.option("--namespace", "-n", default="", metavar="NAME", help="Where to; else not said."),
    click.option(
        "--function",
        "-f",
        "functions",
        multiple=True,
        metavar="NAME",
        help="Run this one by itself; repeatable.",
    ),
    click.option("--each", is_flag=True, help="Run each function by itself."),
    click.option(
        "--max", "most", type=click.IntRange(min=1, max=1000), default=10, show_default=True,
        metavar="N", help="The most pods.",
    ),
)  # fmt: skip


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(
    "kubernetes",
    cls=Command,
    short_help="Write what runs on Kubernetes.",
    examples=(
        "fcplug manifest kubernetes --image registry.example.com/shop:1.0",
        "fcplug manifest kubernetes --image shop:1.0 --function hello -o k8s",
    ),
)
@_options
@click.option(
    "--min", "least", type=click.IntRange(min=1, max=1000), default=2, show_default=True,
    metavar="N", help="The least pods.",
)  # fmt: skip
@manifest_order.options
def for_kubernetes(**asked: Any) -> int:
    """Write a Deployment and what belongs to it: ConfigMap, Service, autoscaler, budget.

    One Deployment runs all functions, or each function has its own: NAME.yaml for each. An edit of
    the ConfigMap takes effect in the running pods.

    Exit codes: 0 made, 1 mistakes, or a file was edited, 2 wrong usage.
    """
    return _made("kubernetes", asked, kubernetes.text, "{}.yaml")


@click.command(
    "knative",
    cls=Command,
    short_help="Write what runs on Knative.",
    examples=(
        "fcplug manifest knative --image registry.example.com/shop:1.0",
        "fcplug manifest knative --image shop:1.0 --each -o knative",
    ),
)
@_options
@click.option(
    "--min", "least", type=click.IntRange(min=0, max=1000), default=0, show_default=True,
    metavar="N", help="The least pods.",
)  # fmt: skip
@manifest_order.options
def for_knative(**asked: Any) -> int:
    """Write a Knative Service and its ConfigMap.

    One Service runs all functions, or each function has its own: NAME.knative.yaml for each. Pods
    come and go with the calls.

    Exit codes: 0 made, 1 mistakes, or a file was edited, 2 wrong usage.
    """
    return _made("knative", asked, knative.text, "{}.knative.yaml")


def _made(command: str, asked: dict[str, Any], text: Text, file_name: str) -> int:
    environ = dict(os.environ)
    file = locate(asked["config"], environ, manifest_order.HINT)
    written = loader.read(file)
    config = loader.parse(written, file, environ)
    name = manifest_order.project(config, asked["name"])
    if asked["output"] is not None:
        first = list(config.functions) if asked["each"] else asked["functions"]
        made_before = file_name.format(applications.label(first[0]) if first else name)
        asked = manifest_recall.recalled(asked, Path(asked["output"]) / made_before, _RECALLED)
    _check(config, asked)
    order = _order(command, asked, name)
    names: Sequence[str] = list(config.functions) if asked["each"] else asked["functions"]
    if names:
        made = applications.of_each(config, written, list(dict.fromkeys(names)))
        for each in made:
            loader.parse(each.text, f"{file} for {each.name} alone", environ)
    else:
        made = [applications.of_all(config, written, name)]
    files = [File(file_name.format(each.name), text(config, each, order)) for each in made]
    manifest_order.hand_over(files, asked["output"], force=asked["force"], as_json=asked["as_json"])
    return exit_code.FINE


def _check(config: Config, asked: dict[str, Any]) -> None:
    if not _IMAGE.fullmatch(asked["image"]):
        raise WrongUsage(f"--image: {asked['image']!r} is not the name of an image: shop:1.0")
    if asked["namespace"] and (what := applications.check_namespace(asked["namespace"])):
        raise WrongUsage(f"--namespace: {what}")
    if asked["name"] and (what := applications.check_label(asked["name"])):
        raise WrongUsage(f"--name: {what}")
    if asked["least"] > asked["most"]:
        raise WrongUsage(f"--min {asked['least']} is above --max {asked['most']}")
    if asked["each"] and asked["functions"]:
        raise WrongUsage("--each runs all functions: leave --function out")
    manifest_order.check_functions(config, asked["functions"])


def _order(command: str, asked: dict[str, Any], name: str) -> Order:
    arguments = [command, "--image", asked["image"], "--name", name]
    if asked["namespace"]:
        arguments += ["--namespace", asked["namespace"]]
    for function in asked["functions"]:
        arguments += ["--function", function]
    arguments += ["--each"] if asked["each"] else []
    arguments += ["--min", str(asked["least"]), "--max", str(asked["most"])]
    return Order(name, asked["image"], asked["namespace"], asked["least"], asked["most"], arguments)
