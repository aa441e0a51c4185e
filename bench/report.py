"""Tables as text for a terminal, and as the page RESULTS.md."""

from collections.abc import Mapping
from typing import Any

from samples import Record
from tables import Table, tables

_HEAD = """\
# Results

Written by the bench; [Performance](../docs/explanation/performance.md) explains how it measures.

![The field](chart.png)
"""


def text(table: Table) -> str:
    """Return a table for a terminal."""
    widths = _widths(table)
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (table.head, *table.rows)
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    note = f"{table.note}\n" if table.note else ""
    return "\n".join([f"\n{table.title}\n{note}{rule}", lines[0], rule, *lines[1:]])


def markdown(table: Table) -> str:
    """Return a table for a page."""
    widths = _widths(table)
    lines = [
        f"| {' | '.join(c.ljust(w) for c, w in zip(row, widths, strict=True))} |"
        for row in (table.head, *table.rows)
    ]
    rule = "|".join("-" * (width + 2) for width in widths)
    note = f"{table.note}\n\n" if table.note else ""
    return "\n".join([f"## {table.title}\n\n{note}{lines[0]}", f"|{rule}|", *lines[1:]]) + "\n"


def page(record: Record, about: Mapping[str, Any]) -> str:
    """Return RESULTS.md."""
    facts = "".join(
        f"| {name} | {value} |\n" for name, value in about.items() if isinstance(value, str)
    )
    versions = "".join(
        f"| {name} | {', '.join(f'{package} {v}' for package, v in found.items())} |\n"
        for name, found in about["versions"].items()
        if found
    )
    remarks = "".join(f"- {remark}\n" for remark in record.remarks)
    parts = [
        _HEAD,
        f"| about | |\n|---|---|\n{facts}",
        *(markdown(table) for table in tables(record, about["titles"], bars=about["bars"])),
        f"## Remarks\n\n{remarks}" if remarks else "",
        f"## Versions\n\n| environment | packages |\n|---|---|\n{versions}",
    ]
    return "\n".join(part for part in parts if part)


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
