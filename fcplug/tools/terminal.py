"""What every command prints through: text and tables for people, JSON for programs."""

import io
import json
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

from rich.console import Console
from rich.theme import Theme

from fcplug.errors import OutputError
from fcplug.tools import exit_code

_THEME = Theme(
    {"error": "bold red", "warning": "yellow", "note": "cyan", "good": "green", "dim": "dim"}
)
_PIPE_WIDTH = 200  # columns where nothing sets a width: long enough to leave rows whole


class Terminal(Console):
    """A terminal that goes on, into nowhere, once the reader of its output has gone."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does.

        Raises:
            OutputError: the stream takes no more, as a full disk does not.
        """
        try:
            super().print(*objects, **options)
        except OSError as error:
            exit_code.discard(self.file)  # type: ignore[arg-type]
            raise OutputError("standard output", error.strerror or str(error)) from None

    def print_line(self, *parts: tuple[str, str]) -> None:
        """Print one line of parts, each a printable text and its style, without wrapping it.

        It takes a tenth of the time that ``print`` takes.

        Raises:
            OutputError: the stream takes no more, as a full disk does not.
        """
        coloured = self.color_system is not None
        line = "".join(
            self.get_style(style).render(text) if style and coloured else text
            for text, style in parts
        )

        def put() -> None:
            self.file.write(f"{line}\n")
            self.file.flush()

        _put(put, self.file)

    def on_broken_pipe(self) -> None:
        """Discard what is still to be written; the command ends as it would have."""
        exit_code.discard(self.file)  # type: ignore[arg-type]


def output(stream: TextIO | None = None) -> Terminal:
    """Return a terminal over a stream, standard output by default.

    Colours are used on a terminal only, and never if ``NO_COLOR`` is set. Rows are as wide as the
    terminal; a pipe or a file gets 200 columns unless ``COLUMNS`` says otherwise. Texts are printed
    as they are: brackets are no markup.
    """
    target = sys.stdout if stream is None else stream
    width = None if target.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    terminal = Terminal(
        file=target, theme=_THEME, highlight=False, markup=False, emoji=False, width=width
    )
    if not terminal.width:  # COLUMNS=0 stands for a width that nobody knows
        terminal.width = _PIPE_WIDTH
    return terminal


def errors() -> Terminal:
    """Return a terminal over standard error."""
    return output(sys.stderr)


def printable(text: str) -> str:
    """Return a text of somebody else without what a terminal would take as a command."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def print_json(document: Any) -> None:
    """Write a document to standard output as JSON of indent 2, and a line end.

    Raises:
        OutputError: standard output takes no more.
    """
    write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write(text: str) -> None:
    """Write a text to standard output as it is; nothing happens if its reader has gone.

    Raises:
        OutputError: standard output takes no more.
    """
    _put(lambda: sys.stdout.write(text), sys.stdout)


def write_bytes(data: bytes, stream: BinaryIO | None = None) -> None:
    """Write bytes as they are to a stream, standard output by default, as far as it is read.

    Raises:
        OutputError: it takes no more.
    """
    target = sys.stdout.buffer if stream is None else stream

    def put() -> None:
        sys.stdout.flush()
        target.write(data)
        target.flush()

    _put(put, target)


def _put(write: Callable[[], object], target: Any) -> None:
    try:
        write()
    except BrokenPipeError:
        exit_code.discard(target)
    except io.UnsupportedOperation:
        raise
    except OSError as error:
        exit_code.discard(target)
        raise OutputError("standard output", error.strerror or str(error)) from None
