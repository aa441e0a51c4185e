"""The line of a file that a finding is about, with a caret below the place."""

import re
from collections.abc import Mapping

from rich.text import Text

from fcplug.tools.terminal import printable

_TOKEN = re.compile(r"\$\{[^}]*\}|[^\s:,\[\]{}#]+")
_MARGIN = 12  # columns kept after the place where a long line is cut


class Sources:
    """The lines of files, each read when it is first needed; ``known`` are texts at hand."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._lines = {file: text.splitlines() for file, text in known.items() if text}

    def line(self, file: str, number: int) -> str:
        """Return a line without its end, empty if the file has none of that number."""
        if number < 1:
            return ""  # a finding about the whole file, which may be a pipe
        if file not in self._lines:
            try:
                with open(file, encoding="utf-8", errors="replace") as stream:
                    self._lines[file] = stream.read(1 << 20).splitlines()
            except OSError:
                self._lines[file] = []
        lines = self._lines[file]
        return lines[number - 1] if number <= len(lines) else ""


def excerpt(line: str, number: int, column: int, width: int) -> Text:
    """Return two rows: the line with its number, and carets below its word at ``column``.

    Without a column it is one row. Rows are at most ``width`` columns wide; of a longer line the
    part around the column is shown.
    """
    gutter = f"{number:>5} | "
    room = max(width - len(gutter), 20)
    line = printable(line.replace("\t", " "))
    start = max(0, column + _MARGIN - room) if column + _MARGIN < len(line) + _MARGIN else 0
    if len(line) <= room:
        start = 0
    shown = line[start : start + room]
    text = Text(no_wrap=True, overflow="crop").append(gutter, "dim").append(shown)
    if column:
        word = _TOKEN.match(line, column - 1)
        length = max(1, min(len(word[0]) if word else 1, room - (column - 1 - start)))
        carets = " " * (column - 1 - start) + "^" * length
        text.append(f"\n{'':>5} | ", "dim").append(carets, "error")
    return text
