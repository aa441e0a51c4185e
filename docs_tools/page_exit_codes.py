"""``reference/exit-codes.md``: how each command ends, from its help."""

import importlib
import re
from collections.abc import Iterator

import click

import markdown
from fcplug.tools import COMMANDS, exit_code

_HEAD = f"""\
# Exit codes

| code | meaning |
| --- | --- |
| `{exit_code.FINE}` | done; a server has stopped after a signal, and abandoned nothing |
| `{exit_code.PROBLEM}` | problems were found, a function failed, or the configuration is wrong |
| `{exit_code.USAGE}` | wrong usage, or the packages of `fcplug[tools]` are missing |
| `{exit_code.INTERRUPTED}` | interrupted by Ctrl-C |
| `128 + N` | ended by the signal N, such as 143 for SIGTERM |

`fcplug serve` and `bootstrap` end with 0 after SIGTERM or SIGINT if every accepted call was
answered and every hook has ended, and else with 1. A second signal ends them at once, with `128 +
N`. `bootstrap` ends with 1 if it finds no Python.

<!-- This page is made from the help of the commands: make reference -->

"""


def make(_: str) -> str:
    """Return the page."""
    rows: list[tuple[str, str]] = []
    for name in COMMANDS:
        command = importlib.import_module(f"fcplug.tools.{name}").command
        rows += _rows(f"fcplug {name}", command)
    return _HEAD + markdown.table(("command", "exit codes"), rows)


def _rows(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    found = re.search(r"Exit codes: (.*?)(?:\n\n|$)", command.help or "", re.DOTALL)
    if found:
        yield f"`{name}`", re.sub(r"\b(\d+)\s", r"`\1` ", found[1].strip().rstrip("."))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            each = command.get_command(context, inner)
            assert each is not None
            yield from _rows(f"{name} {inner}", each)
