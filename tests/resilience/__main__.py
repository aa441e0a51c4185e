"""Run the bars: ``make resilience``, or ``make resilience BARS="drain reload"``."""

import argparse
import shutil
import sys
import textwrap

from resilience.bar import Bar, Report, say
from resilience.registry import bars


def main() -> int:
    """Run the bars that were asked for, one after the other, and print the table."""
    known = {bar.name: bar for bar in bars()}
    parser = argparse.ArgumentParser(prog="resilience", description=__doc__)
    parser.add_argument("--small", action="store_true", help="seconds each, as the tests do")
    parser.add_argument("bars", nargs="*", metavar="BAR", help=f"of {', '.join(known)}; else all")
    given = parser.parse_args()
    if unknown := set(given.bars) - known.keys():
        parser.error(f"no bar {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows = []
    for bar in [known[name] for name in given.bars or known]:
        say(f"bar {bar.number}, {bar.name}: {bar.claim}")
        report = bar.measure(bar.small if given.small else bar.full)
        say(line(bar, report))
        rows.append((bar, report))
    say(table(rows))
    return int(any(report.verdict != "met" for _, report in rows))


def line(bar: Bar, report: Report) -> str:
    """Return the outcome of one bar."""
    text = f"bar {bar.number}, {bar.name}: {report.verdict}"
    if report.missed:
        text += f" ({'; '.join(report.missed)})"
    elif report.late:
        text += f" (only latency was missed: {'; '.join(report.late)})"
    return f"{text}: {'; '.join(report.figures)}"


def table(rows: list[tuple[Bar, Report]]) -> str:
    """Return all outcomes for a terminal."""
    width = max(shutil.get_terminal_size().columns, 80)
    lines = ["", f"{'bar':>3}  {'name':12} {'verdict':7} {'time':>6}  figures"]
    for bar, report in rows:
        head = f"{bar.number:3}  {bar.name:12} {report.verdict:7} {report.seconds:4.0f} s  "
        figures = "; ".join([*(f"!! {text}" for text in report.missed), *report.figures])
        lines += textwrap.wrap(
            figures, width, initial_indent=head, subsequent_indent=" " * len(head)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
