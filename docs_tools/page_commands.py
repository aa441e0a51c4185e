"""``reference/command-line.md``: every command, as its ``--help`` describes it."""

import argparse
import importlib
import re
from collections.abc import Iterable, Iterator

import click

import markdown
from fcplug import cli
from fcplug.tools import COMMANDS

_HEAD = """\
# Command line

What `fcplug COMMAND --help` says, for every command. [Commands](commands.md) shows them at work.
[Exit codes](exit-codes.md) lists how they end.

<!-- This page is made from the commands themselves: make reference -->
"""


def make(_: str) -> str:
    """Return the page."""
    parser = cli._parser()
    (own,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    parts = [_HEAD]
    for name in cli._OWN:
        parts += _argparse(name, own.choices[name])
    for name in COMMANDS:
        parts += _click(f"fcplug {name}", importlib.import_module(f"fcplug.tools.{name}").command)
    return "".join(parts)


def _argparse(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    options = [
        (
            _code(", ".join(action.option_strings), action.metavar or _value(action)),
            "" if action.default in (None, False) else f"`{action.default}`",
            _sentence(action.help or ""),
        )
        for action in parser._actions
        if action.help not in (argparse.SUPPRESS, "show this help message and exit")
    ]
    yield f"\n## `fcplug {name}`\n\n{_sentence(cli._OWN[name])}\n\n"
    yield markdown.table(("option", "default", "meaning"), options)
    yield _examples([cli._EXAMPLES[name]])


def _value(action: argparse.Action) -> str:
    return action.dest.upper() if action.nargs is None else ""


def _click(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\n## `{name}`\n\n```text\n{name} {usage}\n```\n\n{markdown.prose(command.help)}"
    options = [_option(each) for each in command.params if isinstance(each, click.Option)]
    shown = [each for each in options if each]
    if shown:
        yield "\n" + markdown.table(("option", "default", "meaning"), shown)
    if examples := getattr(command, "_examples", ()):
        yield _examples(examples)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from (
                part.replace("\n## ", "\n### ") for part in _click(f"{name} {inner}", found)
            )


def _option(option: click.Option) -> tuple[str, str, str] | None:
    if option.hidden:
        return None
    metavar = "" if option.is_flag or option.count else (option.metavar or _choices(option))
    default = option.default if option.show_default else None
    return (
        _code(", ".join([*option.opts, *option.secondary_opts]), metavar),
        "" if default in (None, False) or callable(default) else f"`{default}`",
        markdown.plain(option.help or ""),
    )


def _choices(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return (option.name or "").upper().rpartition("_")[2]


def _code(names: str, value: str | tuple[str, ...]) -> str:
    return f"`{names} {value}`" if value else f"`{names}`"


def _sentence(text: str) -> str:
    text = markdown.plain(text.replace("%%", "%"))
    return text[:1].upper() + re.sub(r"(?<![.)])$", ".", text[1:])


def _examples(lines: Iterable[str]) -> str:
    return "\n```text\n" + "".join(f"{line}\n" for line in lines) + "```\n"
