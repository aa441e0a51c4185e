"""A wait that another thread or a signal can end: a pipe that is read through ``poll``."""

import contextlib
import os
import select


class Wakeup:
    """Wait until a byte is written to ``descriptor``; writing never blocks."""

    def __init__(self) -> None:
        self._read_end, self.descriptor = os.pipe()
        for each in (self._read_end, self.descriptor):
            os.set_blocking(each, False)
        self._poll = select.poll()
        self._poll.register(self._read_end, select.POLLIN)

    def notify(self) -> None:
        """End the current wait, or the next one."""
        with contextlib.suppress(OSError):  # the pipe is full or closed, so the wait ends anyway
            os.write(self.descriptor, b"\0")

    def wait(self, seconds: float) -> None:
        """Wait for ``notify``, at most this many seconds."""
        if self._poll.poll(seconds * 1000):
            os.read(self._read_end, 4096)

    def close(self) -> None:
        """Close both ends of the pipe."""
        os.close(self._read_end)
        os.close(self.descriptor)
