"""The configuration that a command looks at: where it is, and what of it is sound."""

import shlex
from collections.abc import Mapping

from fcplug.config import loader, search
from fcplug.config.loader import Config
from fcplug.errors import ConfigError, Problem


def locate(file: str | None, environ: Mapping[str, str], command: str) -> str:
    """Return the path of a configuration: the given one, else where ``fcplug serve`` finds it.

    Args:
        file: what the command was given.
        environ: the process environment.
        command: what to write before the name of another file, as errors advise.

    Raises:
        ConfigError: there is none.
    """
    try:
        return search.find(file, environ)
    except ConfigError as error:
        problem = error.problems[0]
        if file:
            problem = problem._replace(what="there is no such file")
        found = search.near(problem.file)
        fix = f"{command} {shlex.quote(found[0])}" if found else "fcplug new project NAME makes one"
        raise ConfigError([problem], f"  fix: {fix}") from None


def sound_config(
    file: str | None, environ: Mapping[str, str], command: str
) -> tuple[Config | None, list[Problem]]:
    """Return what of a configuration is sound, None if there is none, and what is wrong with it.

    Raises:
        ConfigError: a file was named and is not there, or it cannot be read.
    """
    try:
        found = locate(file, environ, command)
    except ConfigError:
        if file or environ.get(search.VARIABLE):
            raise
        return None, []
    return loader.examine(loader.read(found), found, environ)
