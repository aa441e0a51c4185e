"""``fcplug new``: a project or a plugin package to begin with, complete and with passing tests."""

from importlib.util import find_spec
from pathlib import Path

import click

from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import ASGI, HANDLERS, MIDDLEWARE, WSGI
from fcplug.tools import console, scaffold
from fcplug.tools.command import Command, Group

_WORDS = {
    "handler": "handler",
    "middleware": "middleware",
    "wsgi": "WSGI application",
    "asgi": "ASGI application",
}
_GROUPS = {"handler": HANDLERS, "middleware": MIDDLEWARE, "wsgi": WSGI, "asgi": ASGI}


@click.group(
    "new", cls=Group, examples=("fcplug new project shop", "fcplug new plugin resize --middleware")
)
def command() -> None:
    """Make a new project or plugin package: complete, and with tests that pass."""


@command.command(
    "project",
    cls=Command,
    short_help="Make a project to deploy.",
    examples=("fcplug new project shop", "cd shop && fcplug invoke hello --event Ada"),
)
@click.argument("name")
def project(name: str) -> None:
    """Make a folder NAME with all that a project needs to be tested, served and deployed.

    It has config/functions.yaml and its schema, bootstrap, the function 'hello' in hello.py with
    its test, a Makefile and a CI file. Nothing that exists is overwritten.
    """
    scaffold.write(Path(name), scaffold.project(name))
    console.write(
        f"made {name}/: a project with one function, 'hello'\n\n"
        f"  cd {name}\n"
        f"{_install_pytest()}"
        "  pytest                           # test it\n"
        "  fcplug check                     # look for mistakes in config/functions.yaml\n"
        "  fcplug invoke hello --event Ada  # call it, without a server\n"
        "  make run                         # serve it, and each edit of it\n"
    )


@command.command(
    "plugin",
    cls=Command,
    short_help="Make a package with a plugin.",
    examples=(
        "fcplug new plugin resize",
        "fcplug new plugin timing --middleware",
        "cd fcplug-resize && pip install -e . && pytest",
    ),
)
@click.argument("name")
@click.option("--middleware", is_flag=True, help="Make what wraps the hooks of handlers.")
@click.option("--wsgi", is_flag=True, help="Make a web application, such as Flask's.")
@click.option("--asgi", is_flag=True, help="Make a web application, such as FastAPI's.")
def plugin(name: str, **kinds: bool) -> None:
    """Make a folder fcplug-NAME with a package that others can install and name in functions.yaml.

    The plugin is a handler of events unless an option says otherwise, and its tests pass at once.
    Nothing that exists is overwritten.
    """
    chosen = [kind for kind, given in kinds.items() if given] or ["handler"]
    if len(chosen) > 1:
        raise click.UsageError("a plugin is of one kind: give one of the options")
    values = scaffold.plugin_values(name)
    _check_free(chosen[0], values["name"])
    folder, module = values["distribution"], values["module"]
    scaffold.write(Path(folder), scaffold.render(chosen[0], values))
    console.write(
        f"made {folder}/: a package with the {_WORDS[chosen[0]]} '{values['name']}', in {module}.py"
        f"\n\n  cd {folder}\n"
        "  pip install -e .  # fcplug finds it by its entry point\n"
        f"{_install_pytest()}"
        "  pytest            # test it\n"
        "\nREADME.md says how to use it in functions.yaml.\n"
    )


def _check_free(kind: str, name: str) -> None:
    """Check that no plugin of the name is installed: fcplug could not tell which one is meant.

    Raises:
        ScaffoldError: there is one.
    """
    for entry in EntryPointIndex().entry_points(_GROUPS[kind]):
        if entry.name == name:
            raise scaffold.ScaffoldError(
                f"the {_WORDS[kind]} '{name}' is installed already, by {entry.package} "
                f"{entry.version}\n  fix: choose another name"
            )


def _install_pytest() -> str:
    return "" if find_spec("pytest") else "  pip install pytest\n"
