"""The parser of one request, with the attributes that waitress's tasks use."""

import re
from collections.abc import Mapping
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from waitress.buffers import OverflowableBuffer

from fcplug.server.head import HeadError
from fcplug.server.head_reader import NO_VALUES, HeadReader
from fcplug.server.refusal import NO_ROOM, Refusal, bad_request, body_too_large, head_too_large
from fcplug.server.waitress.body import ChunkedBody, FixedBody, RequestBody

if TYPE_CHECKING:
    from fcplug.server.limits import WaitressSettings

_END = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_FIRST_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class RequestParser:
    """A request, from its first byte until it is answered; replaces HTTPRequestParser.

    ``received`` takes bytes until ``completed``. If ``error`` is set the request is refused, and
    the rest of the connection's bytes is ignored.
    """

    completed = False
    empty = False
    headers_finished = False
    expect_continue = False
    error: Refusal | None = None
    is_health_check = False  # the loop decides it

    command = path = query = request_uri = ""
    connection: str | None = None  # the Connection field
    version = "1.1"
    cookies: tuple[str, ...] = ()
    body_bytes_received = 0

    def __init__(self, adj: "WaitressSettings", reader: HeadReader | None = None) -> None:
        self.adj = adj
        self._reader = reader or head_reader(adj)
        self.headers: dict[str, str] = {}
        self._head = bytearray()
        self._body: RequestBody | None = None
        self._whole_body = b""  # a body that came together with its head

    def received(self, data: bytes) -> int:
        """Take bytes from the start of ``data``; return how many were taken.

        That is less than all if the request is complete, or if one call has done enough work.
        """
        if self.completed:
            return 0
        if self._body:
            return self._receive_body(self._body, data)
        return self._receive_head(data)

    def refuse(self, refusal: Refusal) -> None:
        """Answer the request with a refusal, even if bytes of it are still missing."""
        self.error = refusal
        self.completed = True
        self.expect_continue = False

    def get_body_stream(self) -> IO[bytes]:
        """Return the body as a file, positioned at its start."""
        return self._body.buffer.getfile() if self._body else BytesIO(self._whole_body)

    def close(self) -> None:
        """Free the body's memory or file."""
        if self._body:
            try:
                self._body.buffer.close()
            except OSError:
                return  # the disk is full, and the request was refused for it

    def _receive_head(self, data: bytes) -> int:
        """Collect the head; when it is complete, parse it. Return how many bytes were taken."""
        head, limit = self._head, self.adj.limits.max_header
        if data and not head and data[0] in _FIRST_BYTES:  # most heads come at once
            end = data.find(_END) + len(_END)
            if len(_END) <= end <= limit:
                taken = self._finish_head(data[:end], data, end)
                return len(data) if self.error else end + taken
        searched = max(0, len(head) - len(_END) + 1)
        head += data
        if empty := _EMPTY_LINES.match(head):  # RFC 9112, 2.2: skipped before a request
            del head[: empty.end()]
        if not head:
            self.empty = self.completed = True
            return len(data)
        end = head.find(_END, searched) + len(_END)
        found = end >= len(_END)
        if head[0] not in _FIRST_BYTES and head != b"\r":
            self.refuse(bad_request("not a valid HTTP request"))
        elif (end if found else len(head)) > limit:
            self.refuse(head_too_large(f"the request's head is larger than {limit} bytes"))
        elif found:
            body_at = len(data) - (len(head) - end)
            del head[end:]
            taken = self._finish_head(bytes(head), data, body_at)
            return len(data) if self.error else body_at + taken
        elif _bare_line_feed(head, searched):
            self.refuse(bad_request("not a valid HTTP request: a line ends with LF alone"))
        return len(data)

    def _finish_head(self, head_bytes: bytes, data: bytes, body_at: int) -> int:
        """Parse the head; return how many bytes of the body, which follows in ``data``, are taken.

        A body that came whole is taken and needs no buffer. No byte of any other body is taken.
        """
        limits = self.adj.limits
        self._head.clear()
        self.headers_finished = True
        try:
            head = self._reader.read(head_bytes)
        except HeadError as error:
            self.refuse(error.refusal)
            return 0
        self.command, self.version, self.headers = head.method, head.version, head.headers
        self.path, self.query, self.request_uri = head.path, head.query, head.target
        self.cookies, self.connection = head.cookies, head.headers.get("HTTP_CONNECTION")
        length = head.content_length
        if length is None:
            self._body = ChunkedBody(self._buffer(), limits.max_body)
        elif length > limits.max_body:
            self.refuse(body_too_large(limits.max_body))
            return 0
        elif length <= len(data) - body_at:
            self.completed = True
            if length:
                self._whole_body = data[body_at : body_at + length]
                self.body_bytes_received = length
                self.headers["CONTENT_LENGTH"] = str(length)
            return length
        else:
            self._body = FixedBody(self._buffer(), length)
        self.expect_continue = len(data) == body_at and head.expects_continue
        return 0

    def _receive_body(self, body: RequestBody, data: bytes) -> int:
        try:
            taken = body.received(data)
        except OSError:
            self.refuse(NO_ROOM)
            return len(data)
        self.body_bytes_received += taken
        if body.error:
            self.refuse(body.error)
            return len(data)
        if body.completed:
            self.completed = True
            self.headers["CONTENT_LENGTH"] = str(len(body.buffer))
        return taken

    def _buffer(self) -> OverflowableBuffer:
        return OverflowableBuffer(self.adj.inbuf_overflow)


def head_reader(adj: "WaitressSettings", environ: Mapping[str, Any] = NO_VALUES) -> HeadReader:
    """Return what reads the heads of one connection; ``environ`` is added to their headers."""
    return HeadReader(adj.limits.max_header_fields, adj.known_lines, environ)


def _bare_line_feed(head: bytearray, start: int) -> bool:
    return head.count(b"\n", start) != head.count(b"\r\n", max(0, start - 1))
