"""Where a command that runs functions writes: its answer to standard output, the log to the other.

What functions print, and what they and their child processes write to the descriptor itself, goes
to standard error, so that the answer is all that a pipe or a file gets.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fcplug import logs
from fcplug.tools import terminal
from fcplug.tools.terminal import Terminal


class AnswerOutput:
    """Standard output and standard error of this process, as they were when it was made."""

    def __init__(self) -> None:
        logs.open_standard_descriptors()
        sys.stdout.flush()
        self._answers = os.fdopen(os.dup(1), "wb")
        self._errors = os.fdopen(os.dup(2), "w", errors="backslashreplace")
        os.dup2(2, 1)
        # the stream before may believe that it can seek, as in a file; its end would close 1
        self._before = sys.stdout
        sys.stdout = open(1, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        self.terminal: Terminal = terminal.output(self._errors)

    @property
    def interactive(self) -> bool:
        """Whether somebody looks at standard error."""
        return self._errors.isatty()

    def write(self, answer: bytes) -> None:
        """Write an answer to standard output, untouched; a terminal gets no bytes but text.

        Raises:
            OutputError: standard output takes no more.
        """
        if not self._answers.isatty():
            terminal.write_bytes(answer, self._answers)
        elif _is_text(answer):
            ended = not answer or answer.endswith(b"\n")
            terminal.write_bytes(answer if ended else answer + b"\n", self._answers)
        else:
            self.terminal.print(
                f"the answer is {len(answer):,} bytes and no text, and this is a terminal: "
                "send it to a file, as in '> answer.bin'"
            )

    @contextmanager
    def log_left_out(self) -> Iterator[None]:
        """Write no log inside, and nothing that functions print."""
        taken = {1, logs.descriptor()}  # the runtime's lines have a descriptor of their own
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in taken:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        try:
            yield
        finally:
            for descriptor in taken:
                os.dup2(self._errors.fileno(), descriptor)


def _is_text(answer: bytes) -> bool:
    try:
        return "\0" not in answer.decode()
    except UnicodeDecodeError:
        return False
