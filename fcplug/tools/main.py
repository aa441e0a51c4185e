"""The command line of the tools: ``fcplug check``, ``fcplug new`` and the others."""

import importlib
import shutil
from collections.abc import Mapping, Sequence

import click

from fcplug.tools import COMMANDS, exit_code

_MOST_COLUMNS = 80  # of a help text: longer rows are hard to read


class _Commands(click.Group):
    """The group ``fcplug``: finds a command by importing the module that has it."""

    def __init__(self, others: Mapping[str, str]) -> None:
        super().__init__("fcplug")
        self._others = others

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click asks
        return [*self._others, *COMMANDS]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - as click asks
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"fcplug.tools.{cmd_name}")
            found: click.Command = module.command
            return found
        if cmd_name in self._others:  # to complete its name
            return click.Command(cmd_name, help=self._others[cmd_name])
        return None


def run(argv: Sequence[str], others: Mapping[str, str] | None = None) -> int:
    """Run one command of the tools and return its exit code.

    Args:
        argv: the arguments after ``fcplug``.
        others: the other commands of ``fcplug`` and what they do, for a shell that completes names.
    """
    return exit_code.of(lambda: _run(argv, others or {}))


def _run(argv: Sequence[str], others: Mapping[str, str]) -> int:
    width = min(shutil.get_terminal_size().columns, _MOST_COLUMNS) - 2  # click's least is 50
    try:
        ended = _Commands(others).main(
            list(argv), prog_name="fcplug", standalone_mode=False, terminal_width=width
        )
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return int(ended or 0)
