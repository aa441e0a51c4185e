"""``fcplug manifest container``: a Containerfile for the package of ``fcplug build``."""

import os
from pathlib import Path
from typing import Any

import click

from fcplug.config import loader
from fcplug.inspection import deployment
from fcplug.inspection.locating import locate
from fcplug.manifests import container
from fcplug.manifests.image import IMAGES
from fcplug.tools import exit_code, manifest_order, manifest_recall
from fcplug.tools.command import Command
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File

_RECALLED = ("name", "image", "python", "code")


@click.command(
    "container",
    cls=Command,
    short_help="Write a Containerfile.",
    examples=(
        "fcplug manifest container",
        "fcplug build && fcplug manifest container -o . && docker build -t shop -f Containerfile .",
    ),
)
@click.option("--name", metavar="NAME", help="The project; else the name of its folder.")
@manifest_order.package_options
@manifest_order.options
def command(
    config: str | None, output: str | None, force: bool, as_json: bool, **asked: Any
) -> int:
    """Write a Containerfile that runs the package of fcplug build, and a .dockerignore.

    The container does not run as root, and needs no file system that can be written but /tmp. It
    has a health check and OCI labels. Without -o the Containerfile alone is printed. Options that
    are not given are those that made the file before, then the image is that of s.yaml.

    Exit codes: 0 made, 1 mistakes, or a file was edited, 2 wrong usage.
    """
    environ = dict(os.environ)
    loaded = loader.load(locate(config, environ, manifest_order.HINT), environ)
    if output is not None:
        asked = manifest_recall.recalled(asked, Path(output) / container.FILE, _RECALLED)
    if not asked["image"]:
        asked["image"] = deployment.image(loaded.file, IMAGES) or None
    if what := container.check_code(asked["code"]):
        raise WrongUsage(f"--code: {what}")
    name = manifest_order.project(loaded, asked["name"])
    arguments = ["container", "--name", name, *manifest_order.package_arguments(asked)]
    order = container.Order(
        name, asked["code"], manifest_order.image(asked), loaded.runtime.health_path, arguments
    )
    files = [
        File(container.FILE, container.containerfile(order)),
        File(container.IGNORE_FILE, container.ignore_file(order)),
    ]
    instead = f"build on its image with a {container.FILE} of another name"
    manifest_order.hand_over(files, output, instead, force=force, as_json=as_json)
    return exit_code.FINE
