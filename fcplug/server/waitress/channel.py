"""One connection: reading, its clocks and its end. Sending is in ``output``."""

import contextlib
import logging
import socket
import time
from functools import cached_property
from typing import Any, Protocol

from waitress.channel import ClientDisconnected

from fcplug.server.head_reader import HeadReader
from fcplug.server.refusal import TOO_SLOW
from fcplug.server.waitress.interest import READ, WRITE
from fcplug.server.waitress.output import OutputChannel
from fcplug.server.waitress.parser import RequestParser, head_reader
from fcplug.server.waitress.task import OF_EACH_REQUEST, AnswerTask, RefusalTask

log = logging.getLogger("fcplug.server")

_BODY_BYTES = 256 * 1024  # read at once; to allocate so much for a head would cost a tenth
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE_GRACE = 5.0  # seconds in which a refused client may notice that and stop sending


class Loop(Protocol):
    """The part of the server that a connection uses."""

    environ: dict[str, Any]
    active_channels: dict[int, "ClientChannel"]
    draining: bool

    def add_task(self, channel: "ClientChannel") -> None:
        """Assign the channel's first request to a thread."""

    def pull_trigger(self) -> None:
        """End the loop's turn, so that every connection's interest is updated."""

    def unregister(self, at: "ClientChannel") -> None:
        """Stop watching the connection."""

    def continue_later(self, channel: "ClientChannel") -> None:
        """Call ``parse_more`` in the loop's next turn; may be called from any thread."""


class ClientChannel(OutputChannel):
    """A connection whose reads have deadlines and which no failing request can block.

    It handles one request at a time::

        idle ── bytes ──▶ receiving a head ──▶ receiving a body ──▶ answering ──▶ sending ──▶ idle
                           header_timeout       body_timeout        no clock      min_send_rate

    ``request`` is the one that is being received, ``requests`` holds the one that is being
    answered. What the client sends meanwhile waits in ``_unread`` or in the kernel.
    """

    parser_class = RequestParser
    task_class = AnswerTask
    error_task_class = RefusalTask
    server: Loop
    request: RequestParser | None
    requests: list[RequestParser]

    refused = False  # the request was refused: the answer closes the connection
    interest = 0  # the events that the selector watches for

    _stage: tuple[RequestParser | None, bool] = (None, False)
    _stage_began = 0.0  # when the stage began
    _discard_until = 0.0  # not 0 after the last answer: what still comes is dropped until then
    _discarded = 0
    _unread = b""  # bytes that were received and are not parsed yet
    _slow_parts = False  # the body has such small chunks that it is parsed in several turns

    @property
    def ends_after_answer(self) -> bool:
        """Whether the process is stopping and nothing was received after this request."""
        return self.server.draining and not (self._unread or self.request)

    @property
    def busy(self) -> bool:
        """Whether a request is being received or answered, or an answer is being sent."""
        return bool(
            self.requests
            or self.request
            or self._unread
            or self.total_outbufs_len
            or self.close_when_flushed
            or self._discard_until > time.monotonic()
        )

    @cached_property
    def environ(self) -> dict[str, Any]:
        """The part of the WSGI environ that all requests share; None for the keys that differ."""
        host, port = self.addr[:2]
        client = {"REMOTE_ADDR": host, "REMOTE_HOST": host, "REMOTE_PORT": str(port)}
        return {**self.server.environ, **client, **dict.fromkeys(OF_EACH_REQUEST)}

    @cached_property
    def _head_reader(self) -> HeadReader:
        return head_reader(self.adj, self.environ)

    def service(self) -> None:
        """Answer the first request; if our own code fails, the connection is closed."""
        try:
            self._answer(self.requests[0])
        except BaseException as error:
            log.error("a request broke its connection", exc_info=error)
            with self.requests_lock:
                self._drop_requests()
        if self.interest != READ or self.total_outbufs_len or self.close_when_flushed:
            self.server.pull_trigger()

    def _answer(self, request: RequestParser) -> None:
        task = (self.error_task_class if request.error else self.task_class)(self, request)
        if self.connected:
            task.service()
        self.last_activity = time.time()
        if self.current_outbuf_count:  # the next answer gets a new buffer
            self.current_outbuf_count = self.adj.outbuf_high_watermark
        with self.requests_lock:
            if task.close_on_finish or not self.connected:
                self._drop_requests()
                return
            request.close()
            self.requests.pop(0)
            if self._unread:
                self._parse()

    def _drop_requests(self) -> None:
        """Drop all requests, and close the connection when the answers so far are sent."""
        self.close_when_flushed = True
        for request in self.requests:
            request.close()
        self.requests = []
        self._unread = b""

    def wanted(self) -> int:
        """Return the events to watch for: nothing is read while earlier bytes wait."""
        if self.total_outbufs_len or self.will_close or self.close_when_flushed:
            return WRITE
        return 0 if self.requests or self._unread else READ

    def parse_more(self) -> None:
        """Continue with bytes that an earlier turn of the loop has left."""
        with self.requests_lock:
            self._parse()

    def _parse(self) -> None:
        """Parse up to the end of one request, or as much as one turn of the loop may take.

        The next request waits until this one is answered and the socket has taken the answer. So
        no thread waits for a client before it can answer, and a connection holds at most one
        request and one answer. ``requests_lock`` is held.
        """
        if self.will_close or self.close_when_flushed or not self.connected:
            self._unread = b""
        while self._unread and not self.requests and not self.total_outbufs_len:
            request = self.request = self.request or self.parser_class(self.adj, self._head_reader)
            in_body = request.headers_finished
            self._unread = self._unread[request.received(self._unread) :]
            if request.expect_continue and not self.sent_continue:
                self.send_continue()
            if request.completed:
                self.request, self.sent_continue, self._slow_parts = None, False, False
                if not request.empty:
                    self.requests.append(request)
                    self.server.add_task(self)
            elif self._unread and in_body:
                self._slow_parts = True
                self.server.continue_later(self)
                return

    def send_continue(self) -> None:
        """Ask the client for the body it announced; does not close, as only the loop may."""
        if self.request is not None:
            self.request.expect_continue = self.request.completed = False
        self.sent_continue = True
        with contextlib.suppress(ClientDisconnected):
            self.write_soon(_CONTINUE)

    def handle_read_event(self) -> None:
        """Read and parse bytes; drop them once the last answer is sent."""
        request = self.request
        in_body = request is not None and request.headers_finished and not self._slow_parts
        try:
            # larger reads receive a large body in a sixth less time
            data = self.socket.recv(_BODY_BYTES if in_body else self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.handle_close()
        elif self._discard_until:
            self._discarded += len(data)
            if self._discarded > self.adj.limits.max_body:
                self.handle_close()
        else:
            self.last_activity = time.time()
            with self.requests_lock:
                self._unread += data
                self._parse()

    def handle_write(self) -> None:
        """Send from the buffers; when they are empty, continue with the next request.

        After the last answer of a connection that closes, the client gets time to read it.
        """
        ends = self.server.draining or self.refused
        last = self.close_when_flushed and ends and not self.will_close
        if last:
            self.close_when_flushed = False  # waitress would close at once after sending
        super().handle_write()
        if last and self.connected and not self.will_close:
            if self.total_outbufs_len:
                self.close_when_flushed = True
            else:
                self._half_close()
        if self._unread:
            self.parse_more()

    def handle_close(self) -> None:
        """Close the connection and drop the request that it was receiving."""
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def skip_frozen_time(self, frozen: float, frozen_wall: float) -> None:
        """Leave out a time in which the process did not run from this connection's clocks."""
        self._stage_began += frozen
        self.last_activity += frozen_wall
        if self._send_rate:
            self._send_rate.skip_frozen_time(frozen)
        if self._discard_until:
            self._discard_until += frozen

    def check(self, now: float, now_wall: float, idle_timeout: float) -> None:
        """Close the connection if it is idle for too long; refuse a request that is too slow."""
        if self._discard_until:
            self.will_close = now > self._discard_until
        elif not self.requests and now_wall - self.last_activity > idle_timeout:
            self.will_close = True
        elif self._overdue(now):
            self._refuse_slow()

    def _half_close(self) -> None:
        """Close the sending side only, so that the client can still read the answer.

        To close with unread bytes resets the connection: a client that still sends its body would
        lose the answer.
        """
        try:
            if not self.owns_descriptor:
                raise OSError("other code has closed the descriptor")
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
        else:
            grace = _CLOSE_GRACE if self.refused else self.adj.limits.linger
            if len(self.server.active_channels) >= self.adj.limits.connection_limit:
                grace = 0.0  # others wait to be accepted
            self._discard_until = time.monotonic() + grace

    def _overdue(self, now: float) -> bool:
        """Return whether the head or the body takes too long to arrive."""
        request = self.request
        if request is None or self.requests or self.total_outbufs_len:
            self._stage = (None, False)
            return False
        stage = (request, request.headers_finished)
        if stage != self._stage:
            self._stage, self._stage_began = stage, now
        limits = self.adj.limits
        if request.headers_finished:
            allowed = limits.body_timeout + request.body_bytes_received / limits.min_body_rate
        else:
            allowed = limits.header_timeout
        return now - self._stage_began > allowed

    def _refuse_slow(self) -> None:
        with self.requests_lock:
            if self.request is not None:
                self.request.refuse(TOO_SLOW)
                self.requests.append(self.request)
                self.request = None
                self.server.add_task(self)
