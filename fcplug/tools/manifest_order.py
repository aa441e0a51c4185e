"""What every ``fcplug manifest`` command is asked for, and how it hands over what it made."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fcplug.config.loader import Config
from fcplug.errors import ConfigError, did_you_mean, listing
from fcplug.manifests.image import DEFAULT_IMAGE, IMAGES, Image
from fcplug.tools import manifest_files
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.manifest_files import File
from fcplug.tools.terminal import errors, print_json, printable, write

_Callable = TypeVar("_Callable", bound=Callable[..., Any])

_OLDEST_PYTHON = 10  # 3.10
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_OPTIONS = (
    click.option(
        "--config", metavar="FILE", help="The configuration; else as fcplug serve finds it."
    ),
    click.option(
        "--output", "-o", metavar="FOLDER", help="Write into this folder, not to standard output."
    ),
    click.option("--force", is_flag=True, help="Overwrite files that were edited."),
    click.option(
        "--reset", is_flag=True, help="Forget the options that made the file in FOLDER before."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON."),
)


HINT = "fcplug manifest COMMAND --config"
"""What to write before the name of another configuration, as errors advise."""

_PACKAGE_OPTIONS = (
    click.option(
        "--image",
        type=click.Choice(list(IMAGES)),
        metavar="NAME",
        help="What the package is built for: custom.debian10, 11, or 12 if nothing is said.",
    ),
    click.option("--python", metavar="VERSION", help="Another Python of the image, such as 3.13."),
    click.option(
        "--code", default="./code.zip", show_default=True, metavar="PATH", help="The package."
    ),
)


def package_options(function: _Callable) -> _Callable:
    """Give a command the options that say what the package is, as ``fcplug build`` has them."""
    for option in reversed(_PACKAGE_OPTIONS):
        function = option(function)
    return function


def image(asked: Mapping[str, Any]) -> Image:
    """Return the image that a package is built for, with its Python.

    Raises:
        WrongUsage: fcplug does not run on this Python.
    """
    found, version = IMAGES[asked["image"] or DEFAULT_IMAGE], asked["python"]
    if version is None:
        return found
    match = re.fullmatch(r"(3\.([0-9]{1,2}))(\.[0-9]{1,2})?", version)
    if not match or int(match[2]) < _OLDEST_PYTHON:
        least = f"3.{_OLDEST_PYTHON}"
        raise WrongUsage(f"--python: {version!r} is not a version from {least} on, such as 3.13")
    return found.with_python(match[1])


def package_arguments(asked: Mapping[str, Any]) -> list[str]:
    """Return the arguments that ask for the same package again."""
    arguments = ["--image", asked["image"] or DEFAULT_IMAGE, "--code", asked["code"]]
    return arguments + (["--python", asked["python"]] if asked["python"] else [])


def options(function: _Callable) -> _Callable:
    """Give a command the options that all of them have."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def project(config: Config, given: str | None) -> str:
    """Return the name of a project: the given one, else that of the configuration's folder.

    Raises:
        WrongUsage: the name cannot be that of a project.
    """
    if given is not None:
        if not _PROJECT.fullmatch(given):
            raise WrongUsage(f"--name: {given!r} must be letters, digits, '-', '_' and '.'")
        return given
    folder = Path(os.path.abspath(config.file)).parent
    name = folder.parent.name if folder.name == "config" else folder.name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].lstrip("-0123456789").rstrip("-")
    return plain or "functions"


def check_functions(config: Config, names: Sequence[str]) -> None:
    """Check that a configuration has functions that were named.

    Raises:
        WrongUsage: it lacks one.
    """
    for name in names:
        if name not in config.functions:
            hint = did_you_mean(name, config.functions)
            known = f"{config.file} has: {listing(config.functions)}"
            raise WrongUsage(f"--function: there is no function '{printable(name)}'{hint}; {known}")


def hand_over(
    files: Sequence[File], output: str | None, instead: str, *, force: bool, as_json: bool
) -> None:
    """Print what was made, or write it into a folder and say what became of each file.

    Raises:
        FcplugError: a file was edited, or cannot be written.
    """
    if output is None:
        if as_json:
            made = [{"path": file.path, "state": "printed", "text": file.text} for file in files]
            print_json({"folder": None, "files": made})
        else:
            printed = [file for file in files if file.path.endswith(".yaml")] or files[:1]
            write("".join(file.text for file in printed))
        return
    folder = Path(output)
    states = manifest_files.write(folder, files, instead, force=force)
    if as_json:
        made = [
            {"path": file.path, "state": state} for file, state in zip(files, states, strict=True)
        ]
        print_json({"folder": output, "files": made})
        return
    out = errors()
    for file, state in zip(files, states, strict=True):
        out.print(f"{printable(str(folder / file.path))}: {state}", soft_wrap=True)


def refuse_problems(problems: Sequence[Any]) -> None:
    """Raise what keeps a configuration from being deployed, if anything does.

    Raises:
        ConfigError: there are problems; it holds all of them.
    """
    if problems:
        raise ConfigError(problems, "  fix: correct them; fcplug check shows each with its cause")
