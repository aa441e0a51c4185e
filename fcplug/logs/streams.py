"""The objects that replace ``sys.stdout`` and ``sys.stderr``.

Programs wrap standard output for UTF-8, detach it or close it. With these streams that does not
affect what others print.
"""

import io
import os
from typing import Any

from fcplug.logs.output import Output


class LineBytes(io.RawIOBase):
    """The bytes of a standard stream: whole lines of each writer, as ``LineStream`` writes text."""

    mode = "wb"

    def __init__(self, output: Output, number: int) -> None:
        self._output = output
        self.name = number

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the original descriptor, which child processes write to."""
        return self.name

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return os.isatty(self._output.descriptor)

    def write(self, data: Any) -> int:
        """Write the whole lines, keep the rest for the next bytes of this writer."""
        view = memoryview(data)
        self._output.add(view.tobytes(), self.name)
        return view.nbytes

    def flush(self) -> None:
        """Write the unfinished line of this writer."""
        self._output.flush(self.name)

    def close(self) -> None:
        """Flush only: a wrapper that is garbage collected closes this, and others still print."""
        self.flush()


class LineStream(io.TextIOBase):
    """A standard stream that writes whole lines as UTF-8.

    An unfinished line is kept until its writer ends it or flushes, or until its invocation ends.
    Threads and coroutines never share a line. Closing the stream only flushes it.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True
    write_through = False
    mode = "w"

    def __init__(self, output: Output, number: int = 1) -> None:
        self.buffer = LineBytes(output, number)
        self.name = self.buffer.name
        self._output = output

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the original descriptor, which child processes write to."""
        return self.buffer.fileno()

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return self.buffer.isatty()

    def write(self, text: str) -> int:
        """Write the whole lines, keep the rest for the next text of this writer."""
        self._output.add(str.encode(text, "utf-8", "backslashreplace"), self.name)
        return len(text)

    def flush(self) -> None:
        """Write the unfinished line of this writer."""
        self._output.flush(self.name)

    def close(self) -> None:
        """Flush only: all code of the process prints to this stream."""
        self.flush()

    def detach(self) -> LineBytes:  # type: ignore[override]  # not a BinaryIO, but with all of its methods
        """Return the stream of bytes, for a wrapper; this stream stays usable."""
        self.flush()
        return self.buffer

    def reconfigure(self, **_: Any) -> None:
        """Accept any setting, but keep UTF-8 and whole lines."""
        self.flush()
