"""What every command prints through: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console
from rich.theme import Theme

_THEME = Theme({"problem": "bold red", "warning": "yellow", "good": "green", "note": "dim"})
_PIPE_WIDTH = 200  # columns where no terminal sets a width: long enough to leave rows whole


def console(stream: TextIO | None = None) -> Console:
    """Return a console over a stream, standard output by default.

    Colours are used on a terminal only, and never if ``NO_COLOR`` is set. Rows are as wide as the
    terminal; a pipe or a file gets 200 columns unless ``COLUMNS`` says otherwise.
    """
    target = sys.stdout if stream is None else stream
    width = None if target.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(file=target, theme=_THEME, highlight=False, soft_wrap=False, width=width)


def errors() -> Console:
    """Return a console over standard error."""
    return console(sys.stderr)


def print_json(document: Any) -> None:
    """Write a document to standard output as JSON of indent 2, and a line end."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def guarded(run: Callable[[], int]) -> int:
    """Run a command to its exit code, through Ctrl-C and a reader of its output that ends early.

    Returns:
        What ``run`` returns; 130 after Ctrl-C; 0 if the reader closed the pipe, as ``head`` does.
    """
    try:
        code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130
    except BrokenPipeError:
        # Python flushes standard output once more at its end: let that write go nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
