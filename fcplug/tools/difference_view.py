"""How ``fcplug replay`` and ``fcplug diff`` show answers that differ."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.text import Text

from fcplug.recording.comparison import Difference
from fcplug.recording.ignored import Ignored, InvalidPath
from fcplug.recording.record import Record
from fcplug.recording.replay import Reply, Result
from fcplug.tools.replay_target import LIMIT
from fcplug.tools.terminal import Terminal, printable

_MOST = 20  # places of one answer that are shown
_LONG = 400  # characters of a value that are shown

ignore_option: Callable[[Any], Any] = click.option(
    "--ignore",
    multiple=True,
    metavar="PATH",
    help="Leave this out, such as '$.time', '$.items[*].id', '$..id', headers.etag or status; may "
    "be repeated.",
)
timeout_option: Callable[[Any], Any] = click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=LIMIT,
    show_default=True,
    metavar="SECONDS",
    help="How long one request may take.",
)


def ignored(texts: Sequence[str]) -> Ignored:
    """Return what ``--ignore`` leaves out.

    Raises:
        UsageError: a text names no place.
    """
    try:
        return Ignored(texts)
    except InvalidPath as error:
        raise click.UsageError(f"--ignore {error}") from None


def request_of(record: Record, most: int) -> str:
    """Return a few words about a request."""
    request = record.request
    if request.method:
        text = f"{request.method} {request.target}"
    elif request.body_base64:
        text = f"{len(request.content):,} bytes"
    else:
        text = " ".join(request.body.split()) or "empty event"
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def summary(found: Sequence[Result]) -> Text:
    """Return how many are the same."""
    different = sum(bool(each.differences) for each in found)
    same = len(found) - different
    if not different:
        return Text(f"all {same} the same" if same > 1 else "the same", "good")
    text = Text.assemble((f"{same} the same", "good"), ", ")
    return text.append(f"{different} {'differ' if different > 1 else 'differs'}", "error")


def show(out: Terminal, number: int, result: Result) -> None:
    """Print where the answers to one request differ."""
    record = result.record
    what = request_of(record, max(20, out.width - len(record.function) - 12))
    out.print(
        Text.assemble((f"#{number} ", "dim"), (printable(record.function), "bold"), f"  {what}")
    )
    if result.moved:
        out.print(Text("  answered by", "dim"))
        _changed(out, _who(result.before), _who(result.after))
    for difference in result.differences[:_MOST]:
        _show(out, difference)
    if len(result.differences) > _MOST:
        out.print(Text(f"  ... and {len(result.differences) - _MOST} more places", "dim"))
    for reply in (result.before, result.after):
        if reply.answer.code and reply.answer.message:
            for line in reply.answer.message.splitlines()[:5]:
                out.print(Text(f"  {printable(line)}", "dim"), soft_wrap=True)
    out.print()


def _show(out: Terminal, difference: Difference) -> None:
    place = place_of(difference)
    if difference.lines:
        out.print(Text(f"  {place}", "note"))
        for line in difference.lines:
            out.print(Text(f"    {printable(line)}", _style(line)), soft_wrap=True)
        return
    before, after = (_short(value) for value in (difference.before, difference.after))
    row = Text.assemble(
        (f"  {place}  ", "note"), (before, "error"), (" -> ", "dim"), (after, "good")
    )
    if row.cell_len <= out.width and "\n" not in row.plain:
        out.print(row)
        return
    out.print(Text(f"  {place}", "note"))
    _changed(out, before, after)


def place_of(difference: Difference) -> str:
    """Return what to call the place of a difference."""
    return "body" if difference.at == "$" else printable(difference.at)


def _changed(out: Terminal, before: str, after: str) -> None:
    out.print(Text(f"    - {before}", "error"), soft_wrap=True)
    out.print(Text(f"    + {after}", "good"), soft_wrap=True)


def _style(line: str) -> str:
    return {"-": "error", "+": "good"}.get(line[:1], "dim")


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    text = printable(value).replace("\n", "\\n")
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text):,} characters)"


def _who(reply: Reply) -> str:
    return f"{reply.function} ({reply.plugin})" if reply.plugin else reply.function


def show_moved(out: Terminal, found: Sequence[Result]) -> None:
    """Print which functions or packages have changed though the answers are the same."""
    moves = Counter(
        f"{_who(each.before)} -> {_who(each.after)}"
        for each in found
        if each.moved and not each.differences
    )
    for move, count in moves.most_common(_MOST):
        out.print(Text(f"  {count} of the same answers by {printable(move)}", "dim"))


def document(found: Sequence[Result]) -> dict[str, Any]:
    """Return all that was found, for programs."""
    different = sum(bool(each.differences) for each in found)
    return {
        "same": len(found) - different,
        "different": different,
        "requests": [
            {
                "number": number,
                "function": each.record.function,
                "requestId": each.record.request_id,
                "same": not each.differences,
                "before": _reply(each.before),
                "after": _reply(each.after),
                "differences": [_difference(one) for one in each.differences],
            }
            for number, each in enumerate(found, 1)
        ],
    }


def _reply(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    return {
        "status": answer.status,
        "errorType": answer.error_type or None,
        "code": answer.code or None,
        "message": answer.message or None,
        "milliseconds": answer.milliseconds,
        "function": reply.function or None,
        "plugin": reply.plugin or None,
    }


def _difference(one: Difference) -> dict[str, Any]:
    if one.lines:
        return {"at": one.at, "lines": list(one.lines)}
    return {"at": one.at, "before": one.before, "after": one.after}
