"""The sending half of a connection."""

import contextlib
import socket
import struct
import time
from io import BytesIO
from typing import TYPE_CHECKING

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel

from fcplug.server.waitress.send_rate import SendRate, unacknowledged_bytes

if TYPE_CHECKING:
    from fcplug.server.limits import WaitressSettings

LARGE = 64 * 1024  # bytes written that are sent from where they are
_TURN_BYTES = (
    8 * 1024 * 1024
)  # sent from a buffer in one turn of the loop, before others get theirs
_NO_BOUND = 1 << 62


class OutputChannel(HTTPChannel):
    """A connection that sends without copying, and that measures how fast its client reads."""

    adj: "WaitressSettings"

    is_reset = False  # its end must reach the client as a reset

    _turn_bytes = _NO_BOUND  # what may still be sent from the buffers in this turn of the loop
    _sent = 0  # bytes that the kernel has taken
    _send_rate: SendRate | None = None  # only while something waits to be sent

    def write_soon(self, data: object) -> int:
        """Send bytes, or have them sent, large ones from where they are rather than copied."""
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
        self.outbuf_lock.acquire()  # not `with`: a Condition is entered by two calls in Python
        try:
            if not self.connected:
                raise ClientDisconnected
            if not self.total_outbufs_len:
                sent = self.socket.send(data)
                self._sent += sent
        except OSError:
            pass  # the next attempt meets the same error
        finally:
            self.outbuf_lock.release()
        if sent:
            self.last_activity = time.time()
        return sent

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send from a buffer; return 0 when the socket is full or this turn's share is used up."""
        if self._turn_bytes <= 0:
            return 0
        sent = super().send(data, do_close)
        self._sent += sent
        self._turn_bytes -= sent
        return sent

    def handle_write(self) -> None:
        """Send what waits to be sent, as much as one turn of the loop has time for."""
        self._turn_bytes = _TURN_BYTES
        super().handle_write()
        self._turn_bytes = _NO_BOUND
        if not self.total_outbufs_len:
            self._send_rate = None

    def reads_too_slowly(self, now: float) -> bool:
        """Look at how much the client has read; return whether it is less than it must."""
        limits = self.adj.limits
        if not self.total_outbufs_len or limits.min_send_rate is None:
            return False
        if self._send_rate is None:
            self._send_rate = SendRate(limits.min_send_rate, limits.send_timeout)
        if not self.outbuf_lock.acquire(blocking=False):
            return False  # a thread is sending just now: the next look counts it
        try:
            read = self._sent - unacknowledged_bytes(self.socket)
        finally:
            self.outbuf_lock.release()
        return self._send_rate.too_slow(now, read)

    def reset(self) -> None:
        """Have the connection reset once it is closed: its client must not take that for an end."""
        self.is_reset = True
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
