"""What ends a thread's wait, from another thread or from a signal."""

import contextlib
import os
import select


class Wakeup:
    """A wait that a byte written to ``descriptor`` ends; writing never blocks."""

    def __init__(self) -> None:
        self._end, self.descriptor = os.pipe()
        for each in (self._end, self.descriptor):
            os.set_blocking(each, False)
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)

    def notify(self) -> None:
        """End the wait, or the next one."""
        with contextlib.suppress(BlockingIOError):  # full: it ends anyway
            os.write(self.descriptor, b"\0")

    def wait(self, seconds: float) -> None:
        """Wait until it rings, at most so long."""
        if self._poll.poll(seconds * 1000):
            os.read(self._end, 4096)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._end)
        os.close(self.descriptor)
