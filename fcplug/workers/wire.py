"""Send and receive frames: a kind, a JSON header, and raw bytes."""

import io
import json
import socket
import struct
import time
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from fcplug import protocol

MAX_PART = 2 * protocol.MAX_EVENT_SIZE  # bytes of a header or a body: FC's limit, and a reserve
_SMALL = 64 * 1024  # bytes that plain recv calls read fast enough
_FROZEN = 1.0  # seconds after a deadline at which its process was frozen: else it acts at once
_PREFIX = struct.Struct("!BIIQ")  # kind, number, length of the header, length of the body


class Kind(IntEnum):
    """The kinds of frames, in the order in which a worker uses them."""

    HELLO = 1
    ASSIGNMENT = 2
    READY = 3
    CALL = 4
    TAKEN = 5
    HEAD = 6
    NEXT = 7
    CHUNK = 8
    STOP = 9
    RESULT = 10
    ERROR = 11


class FrameError(ValueError):
    """Data that was received, or should be sent, is not a valid frame."""


class Frame(NamedTuple):
    """One message; ``number`` identifies its call."""

    kind: Kind
    number: int = 0
    header: Mapping[str, Any] = {}
    body: bytes = b""


class FrameConnection:
    """One end of the connection between the runtime and a worker.

    Deadlines are moments of ``time.monotonic()``. After one, both methods raise TimeoutError, and
    the connection must not be used again.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._forgiving = False
        self._moved = 0.0  # seconds by which deadlines are moved
        self._left = _FROZEN  # seconds of the last wait

    def begin(self, *, awake_only: bool) -> None:
        """Begin a call; with ``awake_only`` a wait that a freeze made late begins again."""
        self._forgiving, self._moved, self._left = awake_only, 0.0, _FROZEN

    def send(self, frame: Frame, deadline: float | None = None) -> None:
        """Send a frame.

        Raises:
            FrameError: it is too large; nothing was sent.
            OSError: the other end is closed.
        """
        header = json.dumps(frame.header).encode() if frame.header else b""
        check(len(header), len(frame.body))
        prefix = _PREFIX.pack(frame.kind, frame.number, len(header), len(frame.body))
        rest = [memoryview(prefix + header), memoryview(frame.body)]
        while rest:
            self._limit(deadline)
            sent = self.socket.sendmsg(rest)
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]

    def receive(self, deadline: float | None = None) -> Frame:
        """Receive a frame.

        Raises:
            FrameError: the data is not a frame.
            EOFError, OSError: the other end is closed.
        """
        prefix = self._exactly(_PREFIX.size, deadline)
        kind, number, header_size, body_size = _PREFIX.unpack(prefix)
        check(header_size, body_size)
        try:
            kind = Kind(kind)
            header = json.loads(self._exactly(header_size, deadline)) if header_size else {}
        except (ValueError, RecursionError) as error:
            raise FrameError(f"not a frame: {error}") from None
        if not isinstance(header, dict):
            raise FrameError("not a frame: the header is not an object")
        return Frame(kind, number, header, self._exactly(body_size, deadline))

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        if size <= _SMALL:
            return self._small(size, deadline)
        # BytesIO returns its buffer without a copy, so 32 MiB never exist twice
        buffer = io.BytesIO()
        buffer.seek(size - 1)
        buffer.write(b"\0")
        with buffer.getbuffer() as whole:
            missing = whole[:]
            while missing:
                self._limit(deadline)
                try:
                    received = self.socket.recv_into(missing)
                except TimeoutError:
                    self._move(deadline)
                    continue
                if not received:
                    raise EOFError("the other end is gone")
                missing = missing[received:]
            missing.release()
        return buffer.getvalue()

    def _small(self, size: int, deadline: float | None) -> bytes:
        data = b""
        while len(data) < size:
            self._limit(deadline)
            try:
                received = self.socket.recv(size - len(data))
            except TimeoutError:
                self._move(deadline)
                continue
            if not received:
                raise EOFError("the other end is gone")
            data += received
        return data

    def _limit(self, deadline: float | None) -> None:
        if deadline is None:
            self.socket.settimeout(None)
            return
        left = deadline + self._moved - time.monotonic()
        if left <= 0:
            self._move(deadline)
            left = self._left
        self._left = left
        self.socket.settimeout(left)

    def _move(self, deadline: float | None) -> None:
        """Move the deadlines of this call after a freeze; else raise TimeoutError."""
        late = 0.0 if deadline is None else time.monotonic() - deadline - self._moved
        if not self._forgiving or late < _FROZEN:
            raise TimeoutError
        self._moved += late + self._left


def check(*sizes: int) -> None:
    """Raise FrameError if one of the sizes is too large for a frame."""
    if max(sizes) > MAX_PART:
        raise FrameError(f"{max(sizes)} bytes are more than the {MAX_PART} that a frame can hold")
