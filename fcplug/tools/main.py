"""The command line of the tools: ``fcplug check``, ``fcplug new`` and the others."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence

import click

import fcplug
from fcplug.errors import FcplugError
from fcplug.tools.console import guarded

COMMANDS: tuple[str, ...] = ()
"""Each is the module of that name in this package, with a ``command``; imported when it is used."""

_EPILOG = "Exit codes: 0 fine, 1 problems found, 2 wrong usage, 130 interrupted."

Serving = Mapping[str, Callable[[Sequence[str]], int]]
"""The commands of the runtime itself by name; each takes its arguments and returns an exit code."""


class _Commands(click.Group):
    """The group ``fcplug``: finds a command by importing the module that has it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click asks
        return sorted([*COMMANDS, *self.commands])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"fcplug.tools.{cmd_name}")
            found: click.Command = module.command
            return found
        return super().get_command(ctx, cmd_name)


def run(argv: Sequence[str], serving: Serving) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments after ``fcplug``.
        serving: the commands of the runtime itself, listed beside the tools.
    """
    return guarded(lambda: _run(argv, serving))


def _run(argv: Sequence[str], serving: Serving) -> int:
    group = _Commands(
        "fcplug",
        help="Serve many functions as one Function Compute custom runtime, and work on them.",
        epilog=_EPILOG,
        no_args_is_help=True,
    )
    click.version_option(fcplug.__version__, prog_name="fcplug", message="%(prog)s %(version)s")(
        group
    )
    for name, command in serving.items():
        group.add_command(_passed_on(name, command))
    try:
        return int(group.main(list(argv), prog_name="fcplug", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except FcplugError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _passed_on(name: str, command: Callable[[Sequence[str]], int]) -> click.Command:
    """Return a command that hands all of its arguments to ``command``, ``--help`` included."""

    @click.command(
        name,
        help=(command.__doc__ or "").partition("\n")[0],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def passed_on(arguments: tuple[str, ...]) -> int:
        return command(arguments)

    return passed_on
