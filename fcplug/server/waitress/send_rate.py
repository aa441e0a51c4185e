"""How fast a client reads what is sent to it."""

import struct
from socket import socket


class SendRate:
    """Detects a client that reads too slowly while bytes wait to be sent to it.

    The client's debt grows by ``rate`` bytes a second and shrinks by what it reads. The client is
    too slow when it owes what it should have read in ``timeout`` seconds. So a client that stops
    reading is detected after that time, one that reads in bursts is not, and one that is slightly
    too slow is detected later.
    """

    def __init__(self, rate: float, timeout: float) -> None:
        self._rate = rate
        self._timeout = timeout
        self._owed = 0.0
        self._checked_at: float | None = None
        self._read = 0

    def too_slow(self, now: float, read: int) -> bool:
        """Return whether the client is too slow; ``read`` is how many bytes it has read in all."""
        if self._checked_at is not None:
            due = (now - self._checked_at) * self._rate
            self._owed = max(0.0, self._owed + due - (read - self._read))
        self._checked_at, self._read = now, read
        return self._owed >= self._rate * self._timeout

    def skip_frozen_time(self, seconds: float) -> None:
        """Leave out a time in which the process did not run."""
        if self._checked_at is not None:
            self._checked_at += seconds


def unacknowledged_bytes(sock: socket) -> int:
    """Return how many sent bytes the client's kernel has not acknowledged yet.

    How much our kernel accepts says little about the client: it accepts megabytes at once, then
    nothing until a third of them is read, which takes a slow client minutes.
    """
    import fcntl  # noqa: PLC0415 - needed only when an answer waits to be sent
    import termios  # noqa: PLC0415

    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0  # the connection is broken: the next attempt to send reports it
    return int(count)
