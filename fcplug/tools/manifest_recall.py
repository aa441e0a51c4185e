"""The options of an earlier ``fcplug manifest``, from the first lines of the file that it made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fcplug.manifests import seal


def parsed(command: click.Command, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the options of a command that a file names.

    Raises:
        click.UsageError: they are not those of the command.
    """
    if "--help" in arguments:  # it would be printed
        raise click.UsageError("No such option: --help")
    return command.make_context(command.name, list(arguments)).params


def recalled(asked: Mapping[str, Any], file: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return options, where they are not given those that made a file before.

    Args:
        asked: the options of the command that runs.
        file: what it makes, which may not be there.
        names: the options that are taken from it.
    """
    if asked["reset"]:
        return dict(asked)
    context = click.get_current_context()
    missing = [
        name
        for name in names
        if context.get_parameter_source(name) in (ParameterSource.DEFAULT, None)
    ]
    before = earlier(context.command, file)
    return {**asked, **{name: before[name] for name in missing if name in before}}


def earlier(command: click.Command, file: Path) -> dict[str, Any]:
    """Return the options that made a file, empty if this command did not make it."""
    try:
        found = seal.read(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if found is None or found.arguments[:1] != [command.name]:
        return {}
    try:
        return parsed(command, found.arguments[1:])
    except click.UsageError:
        return {}
