"""``fcplug new``: a project or a plugin package to begin with, complete and with passing tests."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click

from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import ASGI, HANDLERS, MIDDLEWARE, WSGI
from fcplug.tools import scaffold, terminal
from fcplug.tools.command import Command, Group

_WORDS = {
    "handler": "handler",
    "middleware": "middleware",
    "wsgi": "WSGI application",
    "asgi": "ASGI application",
}
_PYTEST: Mapping[str, str] = {} if find_spec("pytest") else {"pip install pytest": ""}
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
    _print_steps(
        f"made {name}/: a project with one function, 'hello'",
        {
            f"cd {name}": "",
            **_PYTEST,
            "pytest": "test it",
            "fcplug check": "look for mistakes in config/functions.yaml",
            "fcplug invoke hello --event Ada": "call it, without a server",
            "make run": "serve it; edits take effect while it runs",
            "fcplug dev": "run it as Function Compute does, with a console in the browser",
        },
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
@click.option("--middleware", is_flag=True, help="Make middleware, which wraps handlers.")
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
    folder, what = values["distribution"], f"{_WORDS[chosen[0]]} '{values['name']}'"
    scaffold.write(Path(folder), scaffold.render(chosen[0], values))
    _print_steps(
        f"made {folder}/: a package with the {what}, in {values['module']}.py",
        {
            f"cd {folder}": "",
            "pip install -e .": "fcplug finds it by its entry point",
            **_PYTEST,
            "pytest": "test it",
            "cat README.md": "how functions.yaml names it",
        },
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


def _print_steps(made: str, steps: Mapping[str, str]) -> None:
    """Print what was made, and the commands that come next; what they do, where there is room."""
    out = terminal.output()
    out.print(f"{made}\n")
    longest = max(map(len, steps))
    for step, what in steps.items():
        line = f"  {step:{longest}}  # {what}"
        out.print(line if what and len(line) <= out.width else f"  {step}", soft_wrap=True)
