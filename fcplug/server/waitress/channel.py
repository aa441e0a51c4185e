"""One connection."""

import contextlib
import logging
import selectors
import socket
import struct
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel

from fcplug.server.refusal import TOO_SLOW
from fcplug.server.waitress.parser import RequestParser
from fcplug.server.waitress.task import AnswerTask, RefusalTask

if TYPE_CHECKING:
    from fcplug.server.limits import Settings

log = logging.getLogger("fcplug.server")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_BODY_BYTES = 256 * 1024  # read at once; for a head, allocating so much would cost a tenth
_LARGE = 64 * 1024  # bytes written that are sent from where they are
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GOODBYE = 5.0  # seconds for a client to notice that it was refused and stop sending


class Loop(Protocol):
    """What a connection asks of the server whose loop it is in."""

    environ: dict[str, Any]
    active_channels: dict[int, "Channel"]

    def add_task(self, channel: "Channel") -> None:
        """Have the first request answered."""

    def pull_trigger(self) -> None:
        """End the loop's turn, to look at every connection anew."""

    def forget(self, at: "Channel") -> None:
        """Watch no longer for the connection."""


class Channel(HTTPChannel):
    """A connection whose reads have deadlines and that no failing request can wedge."""

    parser_class = RequestParser
    task_class = AnswerTask
    error_task_class = RefusalTask
    adj: "Settings"
    server: Loop
    request: RequestParser | None
    requests: list[RequestParser]

    parting = False  # the process stops: the answer to the last request closes the connection
    refused = False  # what came was no request: its answer closes the connection
    watched = 0  # what the server's loop watches for

    _environ: dict[str, Any] | None = None
    _stage: tuple[RequestParser | None, bool] = (None, False)
    _since = 0.0  # when the stage began
    _deaf_until = 0.0  # when not 0: the last answer is sent, what still comes is dropped
    _dropped = 0
    _held: bytes | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is being received, answered or its answer sent."""
        return bool(
            self.requests
            or self.request
            or self.total_outbufs_len
            or self.close_when_flushed
            or self._deaf_until > time.monotonic()
        )

    @property
    def environ(self) -> dict[str, Any]:
        """What applications are told of this connection."""
        if self._environ is None:
            host, port = self.addr[:2]
            client = {"REMOTE_ADDR": host, "REMOTE_HOST": host, "REMOTE_PORT": str(port)}
            self._environ = {**self.server.environ, **client}
        return self._environ

    def service(self) -> None:
        """Answer the first request; a failure of the answering itself closes the connection."""
        try:
            self._answer(self.requests[0])
        except BaseException as error:
            log.error("a request broke its connection", exc_info=error)
            with self.requests_lock:
                self._drop_requests()
        if self.watched != READ or self.total_outbufs_len or self.close_when_flushed:
            self.server.pull_trigger()

    def _answer(self, request: RequestParser) -> None:
        task = (self.error_task_class if request.error else self.task_class)(self, request)
        if self.connected:
            task.service()
        self.last_activity = time.time()
        if len(self.requests) > 1:
            self._flush_outbufs_below_high_watermark()
        if self.current_outbuf_count:  # the next answer gets a buffer of its own
            self.current_outbuf_count = self.adj.outbuf_high_watermark
        with self.requests_lock:
            if task.close_on_finish or not self.connected:
                self._drop_requests()
                return
            request.close()
            self.requests.pop(0)
            if self.requests:
                self.server.add_task(self)
            elif self.request and self.request.expect_continue and not self.sent_continue:
                self.send_continue()  # it had to wait for the answers before

    def _drop_requests(self) -> None:
        """Answer no more requests, and close the connection when what is answered is sent."""
        self.close_when_flushed = True
        for request in self.requests:
            request.close()
        self.requests = []

    def recv(self, buffer_size: int) -> bytes:
        """Read what has come: more at once in a body, where it saves a sixth of the time."""
        receiving = self.request is not None and self.request.headers_finished
        return super().recv(_BODY_BYTES if receiving else buffer_size)

    def write_soon(self, data: object) -> int:
        """Send bytes, or have them sent, large ones from where they are rather than copied."""
        if not isinstance(data, bytes):
            return super().write_soon(data)
        if self._held is not None:
            if len(data) <= _LARGE:
                self._held += data
                return len(data)
            self.let_go()
        self._send(data)
        return len(data)

    def sever(self) -> None:
        """Have the connection reset once it is closed: its client must not take that for an end."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send_continue(self) -> None:
        """Have the client send the body it announced; never closes, as only the loop may."""
        assert self.request is not None  # noqa: S101 - it is the one that waits
        self.request.expect_continue = self.request.completed = False
        self.sent_continue = True
        with contextlib.suppress(ClientDisconnected):
            self._send(_CONTINUE)

    def hold(self) -> None:
        """Keep small writes, to be sent together."""
        self._held = b""

    def let_go(self) -> None:
        """Send what was held."""
        held, self._held = self._held, None
        if held:
            self._send(held)

    def _send(self, data: bytes) -> None:
        """Send bytes; what the socket does not take at once waits in a buffer for the loop."""
        sent = 0
        with self.outbuf_lock:
            if not self.connected:
                raise ClientDisconnected
            if not self.total_outbufs_len:
                with contextlib.suppress(OSError):  # told again by the next attempt
                    sent = self.send(data, do_close=False)
        if sent:
            self.last_activity = time.time()
        if sent == len(data):
            return
        if len(data) - sent <= _LARGE:
            super().write_soon(data[sent:])
            return
        file = BytesIO(data)
        file.seek(sent)
        rest = ReadOnlyFileBasedBuffer(file)
        rest.prepare()
        super().write_soon(rest)

    def handle_read(self) -> None:
        """Read what has come, or drop it once the last answer is sent."""
        if not self._deaf_until:
            super().handle_read()
            return
        try:
            self._dropped += len(self.recv(self.adj.recv_bytes))
        except OSError:
            self.handle_close()
        if self._dropped > self.adj.limits.max_body:
            self.handle_close()

    def handle_write(self) -> None:
        """Send what waits to be sent; after the last answer, let the client read it."""
        if not (self.close_when_flushed and (self.parting or self.refused)) or self.will_close:
            super().handle_write()
            return
        self.close_when_flushed = False
        super().handle_write()
        if self.connected and not self.will_close:
            if self.total_outbufs_len:
                self.close_when_flushed = True
            else:
                self._say_goodbye()

    def handle_close(self) -> None:
        """Close the connection and free what it had begun to receive."""
        if self.request is not None:
            self.request.close()
        self.server.forget(self)
        super().handle_close()

    def credit(self, frozen: float, frozen_wall: float) -> None:
        """Take the time that the process did not run off this connection's clocks."""
        self._since += frozen
        self.last_activity += frozen_wall
        if self._deaf_until:
            self._deaf_until += frozen

    def check(self, now: float, now_wall: float, idle_timeout: float) -> None:
        """Close the connection when it is idle for longer than allowed; refuse a slow request."""
        if self._deaf_until:
            self.will_close = now > self._deaf_until
        elif not self.requests and now_wall - self.last_activity > idle_timeout:
            self.will_close = True
        elif self._overdue(now):
            self._give_up()

    def _say_goodbye(self) -> None:
        """Half-close, so that the client reads the answer.

        Closing with bytes unread resets the connection, and the client loses the answer to a
        body it still sends.
        """
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
        else:
            patience = _GOODBYE if self.refused else self.adj.limits.linger
            if len(self.server.active_channels) >= self.adj.limits.connection_limit:
                patience = 0.0  # others wait for its place
            self._deaf_until = time.monotonic() + patience

    def _overdue(self, now: float) -> bool:
        request = self.request
        if request is None or self.requests or self.total_outbufs_len:
            self._stage = (None, False)
            return False
        stage = (request, request.headers_finished)
        if stage != self._stage:
            self._stage, self._since = stage, now
        limits = self.adj.limits
        if request.headers_finished:
            allowed = limits.body_timeout + request.body_bytes_received / limits.min_body_rate
        else:
            allowed = limits.header_timeout
        return now - self._since > allowed

    def _give_up(self) -> None:
        with self.requests_lock:
            if self.request is not None:
                self.request.refuse(TOO_SLOW)
                self.requests.append(self.request)
                self.request = None
                self.server.add_task(self)
