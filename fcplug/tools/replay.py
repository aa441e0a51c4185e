"""``fcplug replay``: recorded requests sent again, and whether the answers are the same."""

from typing import Any

import click
from rich.text import Text

from fcplug.recording import file
from fcplug.recording.replay import Result, Target, recorded, results
from fcplug.tools import dev_folder, difference_view, exit_code, replay_target
from fcplug.tools.command import Command
from fcplug.tools.table import Cell, print_rows
from fcplug.tools.terminal import errors, output, print_json

_PLACES = 3  # where answers differ, that a row names


@click.command(
    "replay",
    cls=Command,
    examples=(
        "fcplug replay recording.jsonl",
        "fcplug replay recordings/ --function hello --ignore '$.time'",
        "fcplug replay recording.jsonl --config other/functions.yaml --json",
    ),
)
@click.argument("recording")
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME",
    help="Only requests to this function; may be repeated.",
)
@click.option("--config", metavar="FILE", help="Run the functions of this configuration.")
@click.option("--here", is_flag=True, help="Run them in a process here, also if fcplug dev runs.")
@difference_view.ignore_option
@difference_view.timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def command(recording: str, as_json: bool, **options: Any) -> int:
    """Send recorded requests again, and compare the answers with the recorded ones.

    The requests go to the 'fcplug dev' that runs over this folder, one after the other in the order
    of the recording. If none runs, or with --here or --config, the functions of functions.yaml run
    in a process of their own, without a server. Credentials are missing in recorded requests:
    what checks them answers otherwise.

    A row says whether the answer is the recorded one, or where it differs. The id of the
    request makes no difference.

    Exit codes: 0 all answers are the same, 1 some differ, 2 wrong usage.
    """
    exit_code.end_by_signals()
    ignored = difference_view.ignored(options["ignore"])
    records = file.read(recording, options["functions"])
    target = _target(options)
    answers = replay_target.replies(records, target)
    found = list(results(records, recorded(records), answers, ignored))
    different = sum(bool(each.differences) for each in found)
    if as_json:
        print_json({"target": target.name, **difference_view.document(found)})
    else:
        out = output()
        columns = ("#", "function", "request", "status", "ms", "answer")
        most = max(16, min(40, out.width - 60))
        rows = [_row(number, each, most) for number, each in enumerate(found, 1)]
        print_rows(out, columns, rows)
        out.print()
        out.print(difference_view.summary(found))
    return exit_code.PROBLEM if different else exit_code.FINE


def _target(options: Any) -> Target:
    config, here, limit = options["config"], options["here"], options["timeout"]
    running = None if config or here else dev_folder.find_here()
    if running is not None:
        errors().print(f"replaying at {running.url}: fcplug dev runs", style="dim")
        return replay_target.OnPlatform(running, limit)
    return replay_target.of_config(config, None, limit, "fcplug replay")


def _row(number: int, result: Result, most: int) -> tuple[Cell, ...]:
    """Return a row; ``most`` are the characters of its request."""
    answer = result.after.answer
    failure = answer.code or answer.error_type
    places = [difference_view.place_of(each) for each in result.differences]
    if places:
        more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
        verdict = Text(f"differs: {', '.join(places[:_PLACES])}{more}", "error")
    else:
        verdict = Text("same", "good")
    return (
        str(number),
        result.record.function,
        difference_view.request_of(result.record, most),
        failure or str(answer.status),
        f"{answer.milliseconds:.1f}",
        verdict,
    )
