"""What stands in for ``sys.stdout`` and ``sys.stderr``, and survives what programs do to them.

Modules wrap standard output for UTF-8, detach it, close it. Each of that is theirs to do; none of
it may cost the others what they print.
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
        """Return whether a person may be watching."""
        return os.isatty(self._output.descriptor)

    def write(self, data: Any) -> int:
        """Write the lines that the bytes end, keep the rest for this writer's next ones."""
        view = memoryview(data)
        self._output.add(view.tobytes(), self.name)
        return view.nbytes

    def flush(self) -> None:
        """Write what this writer has not ended."""
        self._output.flush(self.name)

    def close(self) -> None:
        """Flush: a wrapper that is collected closes what it wraps, and others still print."""
        self.flush()


class LineStream(io.TextIOBase):
    """A standard stream that writes whole lines, each at once, always as UTF-8.

    What a writer has not ended yet waits for its end, for ``flush``, or for the end of its
    invocation; threads and coroutines never share a line. Closing it only flushes it.
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
        """Return whether a person may be watching."""
        return self.buffer.isatty()

    def write(self, text: str) -> int:
        """Write the lines that ``text`` ends, keep the rest for this writer's next text."""
        self._output.add(str.encode(text, "utf-8", "backslashreplace"), self.name)
        return len(text)

    def flush(self) -> None:
        """Write what this writer has not ended."""
        self._output.flush(self.name)

    def close(self) -> None:
        """Flush: everybody in the process prints to this stream."""
        self.flush()

    def detach(self) -> LineBytes:  # type: ignore[override]  # no BinaryIO, but all of its methods
        """Return the stream of bytes, for a wrapper; this stream can be used as before."""
        self.flush()
        return self.buffer

    def reconfigure(self, **_: Any) -> None:
        """Accept any setting and keep to UTF-8 and whole lines, as the log asks for them."""
        self.flush()
