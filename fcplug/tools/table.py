"""Rows for people: a table where it fits, else one block for each row."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fcplug.tools.terminal import Terminal, printable

Cell = str | Text
_NARROW = 60  # columns, below which a table would be cut to pieces


def print_rows(out: Terminal, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows under their headings; where the terminal is narrow, each row as a block."""
    if out.width < _NARROW:
        for row in rows:
            _print_block(out, columns, row)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in columns:
        table.add_column(heading.upper(), overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    if out.is_terminal:
        out.print(table)
        return
    rendered = io.StringIO()  # who reads a pipe or a file wants no spaces at line ends
    Console(file=rendered, width=out.width, highlight=False).print(table)
    lines = [line.rstrip() for line in rendered.getvalue().splitlines()]
    out.print("\n".join(lines), soft_wrap=True)


def _print_block(out: Terminal, columns: Sequence[str], row: Sequence[Cell]) -> None:
    first, *others = zip(columns, map(_text, row), strict=True)
    out.print(Text.assemble((first[1].plain, "bold")))
    for heading, cell in others:
        if cell.plain:
            text = Text.assemble((f"{heading}: ", "dim"), cell)
            out.print(Padding(text, (0, 0, 0, 2), expand=False))


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(cell))
