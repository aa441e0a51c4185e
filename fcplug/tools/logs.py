"""``fcplug logs``: what the functions of the running platform write."""

import json
import re
import time
from datetime import datetime, timezone
from typing import NamedTuple

import click
from rich.text import Text

from fcplug.platform.feed import LOG_PATH
from fcplug.platform.model import LogLine
from fcplug.tools import exit_code, platform_feed
from fcplug.tools.command import Command
from fcplug.tools.line_output import LineOutput
from fcplug.tools.terminal import errors, printable

_NAME = 14  # columns of the longest function name that keeps the rows in line
_SHORT_ID = 8  # characters of a request id, from its end, that tell calls apart
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Asked(NamedTuple):
    """What is to be shown."""

    function: str | None
    request_id: str | None
    since: float
    follow: bool
    as_json: bool


@click.command(
    "logs",
    cls=Command,
    examples=(
        "fcplug logs",
        "fcplug logs hello --follow",
        "fcplug logs --since 10m --request-id 3f6b2a91",
        "fcplug logs -f --json | jq .text",
    ),
)
@click.argument("name", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with the lines that come.")
@click.option(
    "--request-id",
    "-r",
    metavar="ID",
    help="Only lines of this call; the beginning or the end of its id will do.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Only lines since then: 30s, 10m, 2h or 1d ago, 14:05, or 2026-11-27T14:05.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(
    name: str | None, follow: bool, request_id: str | None, since: str | None, as_json: bool
) -> int:
    """Print what the functions of this folder wrote.

    Reads the 'fcplug dev' that runs over this folder, or over one above it: the latest 10,000 lines
    of all functions, or of one. Each has its time, its function, the end of the request id
    that it belongs to, and the text.

    With --follow it goes on until Ctrl-C, or until the platform ends.

    Exit codes: 0 done, 1 no platform runs here, 2 wrong usage, 130 ended by Ctrl-C.
    """
    asked = _Asked(name, request_id, _moment(since) if since else 0.0, follow, as_json)
    try:
        return _run(asked)
    except KeyboardInterrupt:
        return exit_code.INTERRUPTED


def _run(asked: _Asked) -> int:
    found = platform_feed.running()
    wanted = {
        "function": asked.function,
        "request": asked.request_id,
        "since": f"{asked.since:.6f}",
        "past": "true",
        "follow": str(asked.follow).lower(),
    }
    given = {name: value for name, value in wanted.items() if value}
    out = LineOutput()
    with platform_feed.items(found, LOG_PATH, **given) as items:
        for item in items:
            if out.reader_gone():
                return exit_code.FINE
            if item is None:
                continue
            if item.lost:
                errors().print(f"{item.lost} lines came too fast and are missing", style="warning")
            elif item.log is not None and asked.as_json:
                out.write(json.dumps(_document(item.log), ensure_ascii=False))
            elif item.log is not None:
                out.print(_row(item.log))
    if asked.follow:
        errors().print("the platform has ended", style="dim")
    return exit_code.FINE


def _row(line: LogLine) -> Text:
    at = datetime.fromtimestamp(line.at)
    ids = line.request_ids[0][-_SHORT_ID:] if line.request_ids else "-"
    if len(line.request_ids) > 1:  # it may belong to each of them
        ids += f"+{len(line.request_ids) - 1}"
    return Text.assemble(
        (f"{at:%H:%M:%S}.{at.microsecond // 1000:03} ", "dim"),
        (f"{printable(line.function):{_NAME}} ", "bold"),
        (f"{ids:{_SHORT_ID}} ", "note"),
        printable(line.text),
    )


def _document(line: LogLine) -> dict[str, object]:
    at = datetime.fromtimestamp(line.at, timezone.utc)
    return {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "function": line.function,
        "instanceId": line.instance_id,
        "requestIds": list(line.request_ids),
        "text": line.text,
    }


def _moment(text: str) -> float:
    """Return the moment that a text names, in seconds since the epoch.

    Raises:
        UsageError: it names none.
    """
    if match := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return time.time() - int(match[1]) * _UNITS[match[2]]
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            today = datetime.now().date()
            text = f"{today}T{text.rjust(5 if text.count(':') == 1 else 8, '0')}"
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.UsageError(
            f"--since {text!r} is no time: write 30s, 10m, 2h, 1d, 14:05 or 2026-11-27T14:05"
        ) from None
