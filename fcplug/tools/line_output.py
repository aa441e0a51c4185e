"""Lines on standard output as they come, until nobody reads them."""

import select
import sys

from rich.text import Text

from fcplug.errors import OutputError
from fcplug.tools import exit_code
from fcplug.tools.terminal import output


class LineOutput:
    """Standard output, one line at a time; what is written is there at once."""

    def __init__(self) -> None:
        self._console = output()
        self._gone = False

    def print(self, row: Text) -> None:
        """Write a row with its colours, if this is a terminal, and never cut."""
        with self._console.capture() as captured:
            self._console.print(row, soft_wrap=True)
        self._put(captured.get())

    def write(self, text: str) -> None:
        """Write a text and a line end."""
        self._put(f"{text}\n")

    def reader_gone(self) -> bool:
        """Return whether nobody reads any more, as after ``head`` has what it wants."""
        if not self._gone:
            poll = select.poll()
            poll.register(sys.stdout, 0)  # errors only
            self._gone = any(event & select.POLLERR for _, event in poll.poll(0))
            if self._gone:
                exit_code.discard()
        return self._gone

    def _put(self, text: str) -> None:
        """Write.

        Raises:
            OutputError: standard output takes no more, as a full disk does not.
        """
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self._gone = True
            exit_code.discard()
        except OSError as error:
            exit_code.discard()
            raise OutputError("standard output", error.strerror or str(error)) from None
