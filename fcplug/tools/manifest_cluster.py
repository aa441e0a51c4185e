"""``fcplug manifest kubernetes`` and ``knative``: the objects that run functions on a cluster."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.inspection.locating import locate
from fcplug.manifests import applications, knative, kubernetes
from fcplug.manifests.applications import Application
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Pods, Scaling
from fcplug.tools import exit_code, manifest_order, manifest_recall
from fcplug.tools.command import Command
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File, FileEdited


class _Kind(NamedTuple):
    """A kind of cluster: the name of its command and of a file, and how both are made."""

    command: str
    file_name: str
    text: Callable[[Config, Application, Order], str]
    scaling_of: Callable[[Config, Application, Order], Scaling]


_KUBERNETES = _Kind("kubernetes", "{}.yaml", kubernetes.text, kubernetes.scaling_of)
_KNATIVE = _Kind("knative", "{}.knative.yaml", knative.text, knative.scaling_of)
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
        "--max", "most", type=click.IntRange(min=1, max=10_000),
        metavar="N", help="The most pods; else by scale in functions.yaml, else 10.",
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
    "--min", "least", type=click.IntRange(min=1, max=10_000),
    metavar="N", help="The least pods; else by scale in functions.yaml, else 2.",
)  # fmt: skip
@manifest_order.options
def for_kubernetes(**asked: Any) -> int:
    """Write a Deployment and what belongs to it: ConfigMap, Service, autoscaler, budget.

    One Deployment runs all functions, or each function has its own: NAME.yaml for each. The key
    scale of a function says how many pods there are, and what each reserves. An edit of the
    ConfigMap takes effect in the running pods.

    Exit codes: 0 made, 1 mistakes, or a file was edited, 2 wrong usage.
    """
    return _made(_KUBERNETES, asked)


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
    "--min", "least", type=click.IntRange(min=0, max=10_000),
    metavar="N", help="The least pods; else by scale in functions.yaml, else 0.",
)  # fmt: skip
@manifest_order.options
def for_knative(**asked: Any) -> int:
    """Write a Knative Service and its ConfigMap.

    One Service runs all functions, or each function has its own: NAME.knative.yaml for each. Pods
    come and go with the calls, as the key scale of a function says.

    Exit codes: 0 made, 1 mistakes, or a file was edited, 2 wrong usage.
    """
    return _made(_KNATIVE, asked)


def _made(kind: _Kind, asked: dict[str, Any]) -> int:
    environ = dict(os.environ)
    file = locate(asked["config"], environ, manifest_order.HINT)
    written = loader.read(file)
    config = loader.parse(written, file, environ)
    name = manifest_order.project(config, asked["name"])
    groups = applications.by_themselves(asked["functions"])
    if asked["each"]:
        groups = applications.by_pool(config)
    if asked["output"] is not None:
        made_before = kind.file_name.format(applications.label(groups[0].name) if groups else name)
        asked = manifest_recall.recalled(asked, Path(asked["output"]) / made_before, _RECALLED)
    _check(config, asked)
    order = _order(kind.command, asked, name)
    if groups:
        made = applications.of_each(config, written, groups)
        for each in made:
            loader.parse(each.text, f"{file} for {each.name} alone", environ)
    else:
        made = [applications.of_all(config, written, name)]
    for each in made:
        _check_pods(each, kind.scaling_of(config, each, order))
    files = [
        File(kind.file_name.format(each.name), kind.text(config, each, order)) for each in made
    ]
    if asked["output"] is not None and not asked["force"]:
        _check_earlier(Path(asked["output"]), files, alone=bool(groups))
    how = {"force": asked["force"], "as_json": asked["as_json"]}
    manifest_order.hand_over(files, asked["output"], "keep your values in a kustomization", **how)
    return exit_code.FINE


def _check(config: Config, asked: dict[str, Any]) -> None:
    if not _IMAGE.fullmatch(asked["image"]):
        raise WrongUsage(f"--image: {asked['image']!r} is not the name of an image: shop:1.0")
    if asked["namespace"] and (what := applications.check_namespace(asked["namespace"])):
        raise WrongUsage(f"--namespace: {what}")
    if asked["name"] and (what := applications.check_label(asked["name"])):
        raise WrongUsage(f"--name: {what}")
    if asked["each"] and asked["functions"]:
        raise WrongUsage("--each runs all functions: leave --function out")
    manifest_order.check_functions(config, asked["functions"])


def _check_earlier(folder: Path, files: Sequence[File], *, alone: bool) -> None:
    """Refuse to replace all functions by the one that has the name of the project, or vice versa.

    Their objects have the same names on the cluster, too.
    """
    command = click.get_current_context().command
    for file in files:
        before = manifest_recall.earlier(command, folder / file.path)
        if before and bool(before["each"] or before["functions"]) != alone:
            those, now = "all functions", "one of them"
            if not alone:
                those, now = now, those
            raise FileEdited(
                f"{folder / file.path}: it runs {those}, and would run {now}: both have this name\n"
                "  fix: --name gives all functions another name; --force replaces the file"
            )


def _check_pods(application: Application, scale: Scaling) -> None:
    if scale.least > scale.most:
        what = f"--min {scale.least} is above --max {scale.most}"
        if scale.given:
            what += f": one of them is of scale in functions.yaml, for {application.name}"
        raise WrongUsage(what)


def _order(command: str, asked: dict[str, Any], name: str) -> Order:
    arguments = [command, "--image", asked["image"], "--name", name]
    if asked["namespace"]:
        arguments += ["--namespace", asked["namespace"]]
    for function in asked["functions"]:
        arguments += ["--function", function]
    arguments += ["--each"] if asked["each"] else []
    for option, number in (("--min", asked["least"]), ("--max", asked["most"])):
        arguments += [] if number is None else [option, str(number)]
    pods = Pods(asked["least"], asked["most"])
    return Order(name, asked["image"], asked["namespace"], pods, arguments)
