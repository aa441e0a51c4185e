"""A request's body: bytes to bytes, in time linear in what comes however it is cut."""

import re
from typing import Protocol

from waitress.buffers import OverflowableBuffer

from fcplug.server.refusal import Refusal, bad_request, body_too_large

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSION = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb'|"[\t !#-\[\]-~]*"))?'
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*\r\n")
# whoever merges trailer fields into the head would see another body, so none may frame one
_NO_FRAMING = rb"(?!(?i:transfer-encoding|content-length):)"
_TRAILER_LINE = re.compile(_NO_FRAMING + _TOKEN + rb":[\t -~\xa0-\xff]*\r\n")

_MAX_LINE = 256  # bytes of a chunk's size with its extensions, or of a trailer field
_MAX_CONTROL = 64 * 1024  # bytes around the chunks' data, on top of as many as the data has


class Body(Protocol):
    """What a parser asks of the body it receives."""

    buffer: OverflowableBuffer
    completed: bool
    error: Refusal | None

    def received(self, data: bytes) -> int:
        """Take bytes from the start of ``data``; return how many were the body's."""


class FixedBody:
    """A body of known length."""

    error: Refusal | None = None

    def __init__(self, buffer: OverflowableBuffer, length: int) -> None:
        self.buffer = buffer
        self.completed = False
        self._missing = length

    def received(self, data: bytes) -> int:
        """Take at most the bytes that are missing."""
        taken = min(len(data), self._missing)
        self.buffer.append(data[:taken])
        self._missing -= taken
        self.completed = not self._missing
        return taken


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1); extensions and trailer fields are dropped.

    Stricter than most: lines end with CR LF only, a size has 16 digits at most, lines and the sum
    of all that is not data are bounded.
    """

    def __init__(self, buffer: OverflowableBuffer, limit: int) -> None:
        self.buffer = buffer
        self.completed = False
        self.error: Refusal | None = None
        self._limit = limit
        self._room = limit
        self._control = 0
        self._missing = 0  # bytes of the current chunk's data
        self._line = b""
        self._read_line = self._size_line

    def received(self, data: bytes) -> int:
        """Take bytes up to the end of the body, or of ``data``."""
        at = 0
        while at < len(data) and not self.completed and self.error is None:
            if self._missing:
                part = data[at : at + self._missing]
                self.buffer.append(part)
                self._missing -= len(part)
                at += len(part)
            else:
                at = self._take_line(data, at)
        return at

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at, at + _MAX_LINE) + 1 or min(len(data), at + _MAX_LINE)
        self._line += data[at:end]
        self._control += end - at
        spent = self._limit - self._room
        if len(self._line) > _MAX_LINE or self._control > _MAX_CONTROL + spent:
            self.error = bad_request("too many bytes between the chunks of the request's body")
        elif self._line.endswith(b"\n"):
            line, self._line = self._line, b""
            self._read_line(line)
        return end

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if not match:
            self._malformed()
            return
        size = int(match[1], 16)
        if size > self._room:
            self.error = body_too_large(self._limit)
        elif size:
            self._missing, self._room = size, self._room - size
            self._read_line = self._end_line
        else:
            self._read_line = self._trailer_line

    def _end_line(self, line: bytes) -> None:
        if line != b"\r\n":
            self._malformed()
        self._read_line = self._size_line

    def _trailer_line(self, line: bytes) -> None:
        if line == b"\r\n":
            self.completed = True
        elif not _TRAILER_LINE.fullmatch(line):
            self._malformed()

    def _malformed(self) -> None:
        self.error = bad_request("the chunks of the request's body are malformed")
