"""The sending half of a connection, and its end."""

import contextlib
import logging
import socket
import struct
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel

from fcplug.server.waitress.descriptors import identity
from fcplug.server.waitress.send_rate import SendRate, unacknowledged_bytes

if TYPE_CHECKING:
    from fcplug.server.limits import WaitressSettings

log = logging.getLogger("fcplug.server")

LARGE = 64 * 1024  # a larger body is sent without copying it
_TURN_BYTES = (
    8 * 1024 * 1024
)  # sent from a connection's buffers in one turn of the loop, before the others' events
_NO_BOUND = 1 << 62


class OutputChannel(HTTPChannel):
    """A connection that sends without copying and measures how fast its client reads."""

    adj: "WaitressSettings"

    is_reset = False  # closing it resets the connection

    _turn_bytes = _NO_BOUND  # bytes that the buffers may still send in this turn of the loop
    _sent = 0  # bytes that the kernel has taken; guarded by outbuf_lock
    _send_rate: SendRate | None = None  # only while something waits to be sent

    def __init__(self, server: Any, sock: socket.socket, *others: Any, **named: Any) -> None:
        super().__init__(server, sock, *others, **named)
        self._identity = identity(sock)

    def write_soon(self, data: object) -> int:
        """Send bytes; those that the socket does not take are buffered for the loop to send.

        Large ones are buffered where they are, without copying them.
        """
        if not isinstance(data, bytes):
            return super().write_soon(data)
        size = len(data)
        sent = self._send_now(data)
        if sent == size:
            return size
        if size - sent <= LARGE:
            super().write_soon(data[sent:])
            return size
        file = BytesIO(data)
        file.seek(sent)
        rest = ReadOnlyFileBasedBuffer(file)
        rest.prepare()
        super().write_soon(rest)
        return size

    def _send_now(self, data: bytes) -> int:
        """Send as much as the socket takes at once; return how many bytes that is."""
        sent = 0
        self.outbuf_lock.acquire()  # `with` would run two more functions for a Condition
        try:
            if not (self.connected and self.owns_descriptor):
                self.will_close = True
                raise ClientDisconnected
            if not self.total_outbufs_len:
                sent = self.socket.send(data)
                self._sent += sent
        except OSError:
            pass  # the next attempt gets the same error
        finally:
            self.outbuf_lock.release()
        if sent:
            self.last_activity = time.time()
        return sent

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send from a buffer; return 0 if the socket is full or the turn's share is used up."""
        if self._turn_bytes <= 0:
            return 0
        if not self.owns_descriptor:
            self.will_close = True
            return 0
        sent = super().send(data, do_close)
        self._sent += sent
        self._turn_bytes -= sent
        return sent

    def handle_write(self) -> None:
        """Send from the buffers, at most one turn's share."""
        self._turn_bytes = _TURN_BYTES
        super().handle_write()
        self._turn_bytes = _NO_BOUND
        if not self.total_outbufs_len:
            self._send_rate = None

    def reads_too_slowly(self, now: float) -> bool:
        """Measure how much the client has read; return whether it reads too slowly."""
        limits = self.adj.limits
        if not self.total_outbufs_len or limits.min_send_rate is None:
            return False
        if self._send_rate is None:
            self._send_rate = SendRate(limits.min_send_rate, limits.send_timeout)
        if not self.outbuf_lock.acquire(blocking=False):
            return False  # a thread is sending at this moment: the next check measures it
        try:
            read = self._sent - unacknowledged_bytes(self.socket)
        finally:
            self.outbuf_lock.release()
        return self._send_rate.too_slow(now, read)

    def reset(self) -> None:
        """Make closing a reset, so that the client does not take it for the answer's end."""
        self.is_reset = True
        if not self.owns_descriptor:
            return
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def handle_close(self) -> None:
        """Close the connection, once: waitress does it twice after some errors.

        If other code has closed the descriptor, its number may be another file's now, which is
        left alone.
        """
        if self.socket is None:
            return
        self.server.unregister(self)
        if not self.owns_descriptor:
            log.warning(
                "code of a function closed descriptor %s, a client's connection: that client gets "
                "no answer",
                self._fileno,
            )
            self.socket.detach()
        elif not self.is_reset:
            with contextlib.suppress(OSError):  # ends it even if a child process has a copy
                self.socket.shutdown(socket.SHUT_RDWR)
        super().handle_close()

    def give_up(self, error: Exception) -> None:
        """Close the connection after an error of our own code, or of a descriptor that is lost."""
        if self.owns_descriptor:
            log.error("a connection broke", exc_info=error)
        try:
            self.handle_close()
        except Exception as second:
            log.error("closing a connection failed", exc_info=second)
            self.server.unregister(self)
            self.close()

    @property
    def owns_descriptor(self) -> bool:
        """Whether the descriptor is still this connection, and not one that other code opened."""
        found = identity(self.socket)
        return found is not None and found == self._identity
