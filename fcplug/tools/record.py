"""``fcplug record``: the requests to the running platform, as files."""

from collections import Counter

import click
from rich.text import Text

from fcplug.errors import quantity
from fcplug.platform.feed import CALLS_PATH
from fcplug.recording.file import Writer
from fcplug.recording.record import Record, of_invocation
from fcplug.recording.redaction import redact
from fcplug.tools import exit_code, platform_feed
from fcplug.tools.command import Command
from fcplug.tools.line_output import LineOutput
from fcplug.tools.terminal import errors, printable

_FILE = "recording.jsonl"
_NAME = 14  # columns of the longest function name that keeps the rows in line


@click.command(
    "record",
    cls=Command,
    examples=(
        "fcplug record",
        "fcplug record --function hello -o hello.jsonl",
        "fcplug record --history -o recordings/",
    ),
)
@click.option("--function", metavar="NAME", help="Only requests to this function.")
@click.option(
    "-o",
    "--output",
    default=_FILE,
    show_default=True,
    metavar="PATH",
    help="The file, or a folder, which gets a file for each function.",
)
@click.option("--history", is_flag=True, help="The requests of before, then end.")
def command(function: str | None, output: str, history: bool) -> int:
    """Write real requests and their answers to a file.

    Reads the 'fcplug dev' that runs over this folder: every request that ends from now on, until
    Ctrl-C or the end of the platform; with --history those that it remembers. They are added
    to what the file has. Each is one line of JSON, for 'fcplug replay' and 'fcplug diff'.

    Removed are access key ids, secrets, tokens, passwords, signatures, Authorization and
    the values of cookies, in headers, parameters and JSON. A secret in other text stays: look
    at the file before you share it.

    Exit codes: 0 done, 1 no platform runs here, or requests are missing, 2 wrong usage, 130 ended
    by Ctrl-C.
    """
    recording = _Recording(output)
    try:
        return recording.run(function, history=history)
    except KeyboardInterrupt:
        return exit_code.INTERRUPTED
    finally:
        recording.close()


class _Recording:
    """What is recorded in one run."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._writer: Writer | None = None
        self._rows = LineOutput()
        self._count = 0
        self._lost = 0
        self._removed: Counter[str] = Counter()

    def run(self, function: str | None, *, history: bool) -> int:
        """Record until the platform has no more requests."""
        asked = {"past": str(history).lower(), "follow": str(not history).lower()}
        if function:
            asked["function"] = function
        with platform_feed.items(platform_feed.running(), CALLS_PATH, **asked) as items:
            self._writer = Writer(self._output)
            if not history:
                errors().print("recording until Ctrl-C", style="dim")
            for item in items:
                if item is not None and item.call is not None:
                    self._add(redact(of_invocation(item.call)), self._writer)
                elif item is not None:
                    self._lost += item.lost
        if not history:
            errors().print("the platform has ended", style="dim")
        return exit_code.PROBLEM if self._lost else exit_code.FINE

    def close(self) -> None:
        """Say what was recorded."""
        if self._writer is None:
            return
        self._writer.close()
        text = f"{quantity(self._count, 'request')} in {printable(self._output)}"
        errors().print(text if self._count else f"no requests for {printable(self._output)}")
        if self._removed:
            places = ", ".join(f"{place} ({n})" for place, n in self._removed.most_common(20))
            errors().print(f"removed: {printable(places)}", soft_wrap=True)
        if self._lost:
            text = f"{quantity(self._lost, 'event')} came too fast: requests may be missing"
            errors().print(text, style="warning")

    def _add(self, record: Record, writer: Writer) -> None:
        writer.add(record)
        self._count += 1
        self._removed.update(record.removed)
        self._rows.print(_row(record))


def _row(record: Record) -> Text:
    request, answer = record.request, record.answer
    what = f"{request.method} {request.target}" if request.method else record.kind
    failure = answer.code or answer.error_type
    text = f"{what}: {answer.status} in {answer.milliseconds:.1f} ms"
    return Text.assemble(
        (f"{record.at[11:23]} ", "dim"),
        (f"{printable(record.function):{_NAME}} ", "bold"),
        printable(text),
        (f", {failure}" if failure else "", "error"),
        (f", removed: {len(record.removed)}" if record.removed else "", "note"),
    )
