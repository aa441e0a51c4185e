"""Decoders for a request's body; their time is linear in its bytes, however they are split."""

import re
from typing import Protocol

from waitress.buffers import OverflowableBuffer

from fcplug.server.refusal import Refusal, bad_request, body_too_large

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSION = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb'|"[\t !#-\[\]-~]*"))?'
_SIZE_LINE = rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*\r\n"  # compiled where it is met
_PLAIN_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
# a reader that merges trailer fields into the head would see a different body
_NO_FRAMING = rb"(?!(?i:transfer-encoding|content-length):)"
_TRAILER_LINE = _NO_FRAMING + _TOKEN + rb":[\t -~\xa0-\xff]*\r\n"

_MAX_LINE = 256  # bytes of a chunk's size with its extensions, or of a trailer field
_MAX_CONTROL = 32 * 1024  # bytes that are not data, plus half as many as there are data bytes
_LARGE = 16 * 1024  # bytes of a chunk that is too expensive to copy once more
_PIECES = 64  # chunks, or lines between them, that one call decodes: less than 0.1 ms


class RequestBody(Protocol):
    """A decoder as the parser uses it."""

    buffer: OverflowableBuffer
    completed: bool
    error: Refusal | None

    def received(self, data: bytes) -> int:
        """Take bytes from the start of ``data``; return how many were taken.

        That is less than all if the body is complete, or if one call has done enough work.
        """


class FixedBody:
    """A body of known length."""

    error: Refusal | None = None

    def __init__(self, buffer: OverflowableBuffer, length: int) -> None:
        self.buffer = buffer
        self.completed = False
        self._missing = length

    def received(self, data: bytes) -> int:
        """Take at most as many bytes as are missing."""
        taken = min(len(data), self._missing)
        self.buffer.append(data[:taken])
        self._missing -= taken
        self.completed = not self._missing
        return taken


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1); extensions and trailer fields are dropped.

    It is stricter than most: lines end with CR LF only, a size has at most 16 digits, and lines
    and the sum of all bytes that are not data have a limit::

        size line ── size > 0 ──▶ data ──▶ end line (CR LF) ──▶ size line
            └────── size = 0 ──▶ trailer lines ── empty line ──▶ completed
    """

    def __init__(self, buffer: OverflowableBuffer, limit: int) -> None:
        self.buffer = buffer
        self.completed = False
        self.error: Refusal | None = None
        self._limit = limit
        self._room = limit
        self._control = 0
        self._missing = 0  # bytes of the current chunk's data that have not come yet
        self._line = b""
        self._read_line = self._size_line
        self._expects_size = True

    def received(self, data: bytes) -> int:
        """Take bytes up to the body's end, or as many as one call may decode."""
        at, left = 0, _PIECES
        while left and at < len(data) and not self.completed and self.error is None:
            left -= 1
            if self._missing:
                part = data[at : at + self._missing]
                self.buffer.append(part)
                self._missing -= len(part)
                at += len(part)
            elif self._line or not self._expects_size:
                at = self._take_line(data, at)
            else:
                begin = at
                at, left = self._take_chunks(data, begin, left)
                if at == begin:
                    at = self._take_line(data, at)
        return at

    def _take_chunks(self, data: bytes, at: int, left: int) -> tuple[int, int]:
        """Take complete small chunks without extensions; return where they end.

        A client that sends tiny chunks keeps the server in this loop, so it is short.
        """
        pieces = []
        begin, length, room = at, 0, self._room
        match = _PLAIN_SIZE_LINE.match(data, at)
        while match and left:
            size, start = int(match[1], 16), match.end()
            if not 0 < size <= min(room - length, _LARGE) or not data.startswith(
                b"\r\n", start + size
            ):
                break
            pieces.append(data[start : start + size])
            at, length, left = start + size + 2, length + size, left - 1
            match = _PLAIN_SIZE_LINE.match(data, at)
        if pieces:
            self.buffer.append(b"".join(pieces))
            self._room -= length
            self._count_control(at - begin - length)
        return at, left

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at, at + _MAX_LINE) + 1 or min(len(data), at + _MAX_LINE)
        self._line += data[at:end]
        self._count_control(end - at)
        if len(self._line) > _MAX_LINE:
            self._too_much_control()
        elif self.error is None and self._line.endswith(b"\n"):
            line, self._line = self._line, b""
            self._read_line(line)
        return end

    def _count_control(self, count: int) -> None:
        self._control += count
        if self._control > _MAX_CONTROL + (self._limit - self._room) // 2:
            self._too_much_control()

    def _too_much_control(self) -> None:
        self.error = bad_request("too many bytes between the chunks of the request's body")

    def _size_line(self, line: bytes) -> None:
        match = re.fullmatch(_SIZE_LINE, line)
        if not match:
            self._malformed()
            return
        size = int(match[1], 16)
        if size > self._room:
            self.error = body_too_large(self._limit)
        elif size:
            self._missing, self._room = size, self._room - size
            self._read_line, self._expects_size = self._end_line, False
        else:
            self._read_line, self._expects_size = self._trailer_line, False

    def _end_line(self, line: bytes) -> None:
        if line != b"\r\n":
            self._malformed()
        self._read_line, self._expects_size = self._size_line, True

    def _trailer_line(self, line: bytes) -> None:
        if line == b"\r\n":
            self.completed = True
        elif not re.fullmatch(_TRAILER_LINE, line):
            self._malformed()

    def _malformed(self) -> None:
        self.error = bad_request("the chunks of the request's body are malformed")
