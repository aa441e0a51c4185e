"""``fcplug diff``: where the answers of two configurations differ, for recorded requests."""

from collections.abc import Sequence
from typing import Any

import click

from fcplug.recording import file
from fcplug.recording.replay import recorded, results
from fcplug.tools import difference_view, exit_code, replay_target
from fcplug.tools.command import Command
from fcplug.tools.terminal import output, print_json

_SIDES = 2


@click.command(
    "diff",
    cls=Command,
    examples=(
        "fcplug diff recording.jsonl",
        "fcplug diff recording.jsonl --config old/functions.yaml --config functions.yaml",
        "fcplug diff recordings/ --python old/bin/python --python new/bin/python",
        "fcplug diff recording.jsonl --ignore '$.time' --ignore headers.etag",
    ),
)
@click.argument("recording")
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="FILE",
    help="The configuration; two are compared with each other, one with the recorded answers.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PATH",
    help="The Python that runs it, with fcplug and the plugins; two for the two sides.",
)
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME",
    help="Only requests to this function; may be repeated.",
)
@difference_view.ignore_option
@difference_view.timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def command(
    recording: str, configs: tuple[str, ...], pythons: tuple[str, ...], **options: Any
) -> int:
    """Replay recorded requests against two configurations, and show where the answers differ.

    So you see what an edit of routes or settings, or a new version of a plugin, changes. With one
    configuration, or none, which is that of this folder, the recorded answers are the other side.
    Each configuration runs in a process of its own, without a server.

    Compared are status, error type, headers, and the body: JSON by its values, text by its lines,
    else by length and hash. For two configurations it also says where another function or another
    plugin answered.

    Exit codes: 0 all answers are the same, 1 some differ, 2 wrong usage.
    """
    exit_code.end_by_signals()
    ignored = difference_view.ignored(options["ignore"])
    sides = _sides(configs, pythons)
    records = file.read(recording, options["functions"])
    targets = [
        replay_target.of_config(config, python, options["timeout"], "fcplug diff")
        for config, python in sides
    ]
    answers = [replay_target.replies(records, target) for target in targets]
    before, after = answers if len(answers) == _SIDES else (recorded(records), answers[0])
    found = list(results(records, before, after, ignored))
    if options["as_json"]:
        print_json(difference_view.document(found))
    else:
        out = output()
        for number, each in enumerate(found, 1):
            if each.differences:
                difference_view.show(out, number, each)
        out.print(difference_view.summary(found))
        difference_view.show_moved(out, found)
    return exit_code.PROBLEM if any(each.differences for each in found) else exit_code.FINE


def _sides(
    configs: Sequence[str], pythons: Sequence[str]
) -> Sequence[tuple[str | None, str | None]]:
    """Return the configuration and the Python of each side; one that is given once is for both."""
    count = max(len(configs), len(pythons), 1)
    if count > _SIDES:
        raise click.UsageError("two configurations can be compared, no more")
    return [
        (
            configs[min(side, len(configs) - 1)] if configs else None,
            pythons[min(side, len(pythons) - 1)] if pythons else None,
        )
        for side in range(count)
    ]
