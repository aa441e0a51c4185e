"""How far repeated calls are, and how long they took, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fcplug.errors import quantity
from fcplug.tools.answer_output import AnswerOutput
from fcplug.tools.call_target import Answer
from fcplug.tools.latency import Measured
from fcplug.tools.terminal import printable

_WIDE = 80  # columns from which on the times stand side by side


@contextmanager
def progress(calls: int, output: AnswerOutput) -> Iterator[Callable[[int], object]]:
    """Show on a terminal how many of the calls have ended; yields what sets this number."""
    if not output.interactive:
        yield lambda _ended: None
        return
    from rich import progress as bars  # noqa: PLC0415 - 30 ms

    columns = (bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    with bars.Progress(
        *columns,
        console=output.terminal,
        transient=True,
        redirect_stdout=False,  # they are the functions'
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", total=calls)
        yield lambda ended: bar.update(task, completed=ended)


def show(first: Answer, measured: Measured, output: AnswerOutput) -> None:
    """Print how long the first call took and how long the others, and what a failed one got."""
    from rich.table import Table  # noqa: PLC0415

    times = {"first": round(first.seconds * 1000, 3), **measured.milliseconds()}
    shown = {name: f"{milliseconds:,.3f}" for name, milliseconds in times.items()}
    table = Table(box=None, pad_edge=False, header_style="bold")
    if output.terminal.width < _WIDE:
        table = Table.grid(padding=(0, 2))
        for row in shown.items():
            table.add_row(*row)
    else:
        for name in shown:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_row(*shown.values())
    output.terminal.print(
        f"\n{quantity(measured.calls, 'more call')} in {measured.seconds:.2f} s, at most "
        f"{measured.concurrency} at once: {measured.calls / measured.seconds:,.0f} a second; "
        "milliseconds:"
    )
    output.terminal.print(table)
    if failure := measured.failure:
        text = failure.body.decode(errors="replace") if isinstance(failure, Answer) else failure
        output.terminal.print(f"{measured.failed:,} failed; one of them got:", style="error")
        output.terminal.print(printable(str(text)))
