"""``fcplug events``: the kinds of event that triggers send, and a sample of each."""

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from fcplug.errors import FcplugError, InvalidEvent
from fcplug.events import samples
from fcplug.events.decoding import decode
from fcplug.events.kinds import TYPES
from fcplug.tools import terminal
from fcplug.tools.command import Command, Group
from fcplug.tools.table import print_rows


class SampleError(FcplugError):
    """A sample event cannot be made or shown."""


class _Json(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A value that is given as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)


class _Kinds(Group):
    """The kinds of event, each of them a command whose options are the values of its sample."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click asks
        return list(TYPES)

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command:
        try:
            defaults = samples.parameters(cmd_name)
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from None
        return Command(
            cmd_name,
            examples=_examples(cmd_name, defaults),
            callback=_printer(cmd_name),
            params=[_option(name, default) for name, default in defaults.items()],
            help=f"Print a sample event of the type {TYPES[cmd_name]}.",
            short_help=TYPES[cmd_name],
        )


@click.command(
    "events",
    cls=_Kinds,
    examples=(
        "fcplug events",
        "fcplug events oss --bucket photos --key a.jpg",
        "fcplug events oss --key a.jpg | fcplug invoke thumbnails --event -",
    ),
    invoke_without_command=True,
    options_metavar="[--json]",
    subcommand_metavar="[KIND [OPTIONS]]",
)
@click.option("--json", "as_json", is_flag=True, help="List the kinds as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Print a sample event of a trigger, with your own values in it.

    Without a KIND, list the kinds, the type in fcplug.events that each is decoded into, and the
    options that set values of it. 'fcplug events KIND --help' shows these with their defaults.
    """
    if ctx.invoked_subcommand is None:
        _list(as_json=as_json)
    elif as_json:
        raise click.UsageError("--json lists the kinds: leave it out, or leave out the kind", ctx)


def _list(*, as_json: bool) -> None:
    kinds = {kind: samples.parameters(kind) for kind in TYPES}
    if as_json:
        terminal.print_json(
            [
                {"kind": kind, "type": TYPES[kind], "parameters": parameters}
                for kind, parameters in kinds.items()
            ]
        )
        return
    rows = [(kind, TYPES[kind], _flags(parameters)) for kind, parameters in kinds.items()]
    print_rows(terminal.output(), ("kind", "type", "options"), rows)


def _option(name: str, default: Any) -> click.Option:
    if isinstance(default, bool):
        flags = f"{_flag(name)}/--no-{_flag(name)[2:]}"
        return click.Option([flags], default=default, show_default=True)
    kind: Any = type(default) if isinstance(default, str | int) else _Json()
    shown = default if isinstance(default, str | int) else json.dumps(default)
    return click.Option([_flag(name)], default=default, type=kind, help=f"[default: {shown}]")


def _examples(kind: str, defaults: Mapping[str, Any]) -> Sequence[str]:
    """Return an example that sets the first value which is a text."""
    name, value = next(pair for pair in defaults.items() if isinstance(pair[1], str) and pair[1])
    return (f"fcplug events {kind} {_flag(name)} {shlex.quote(value)} > event.json",)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _flags(names: Iterable[str]) -> str:
    return " ".join(map(_flag, names))


def _printer(kind: str) -> Callable[..., None]:
    def print_event(**values: Any) -> None:
        event = _event(kind, values)
        if kind == "tablestore" and sys.stdout.isatty():
            raise SampleError(
                f"an event of the kind '{kind}' is CBOR, and this is a terminal\n"
                f"  fix: write it to a file: fcplug events {kind} > event.cbor"
            )
        terminal.write_bytes(event)

    return print_event


def _event(kind: str, values: dict[str, Any]) -> bytes:
    try:
        type_ = samples.type_of(kind)
        event = samples.event(kind, **values)
        decode(event, type_)
        return _laid_out(event)
    except UnicodeEncodeError:
        raise click.UsageError("a value is not UTF-8, as the text of an event must be") from None
    except InvalidEvent as error:
        raise click.UsageError(f"no event of the kind '{kind}' has these values: {error}") from None
    except ImportError as error:
        raise SampleError(str(error)) from None


def _laid_out(event: bytes) -> bytes:
    """Return a JSON object or array on several lines, anything else as it is."""
    try:
        document = json.loads(event)
    except ValueError:
        return event
    if not isinstance(document, dict | list):
        return event
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()
