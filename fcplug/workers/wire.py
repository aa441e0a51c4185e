"""Send and receive frames: a kind, a JSON header, and raw bytes."""

import io
import json
import select
import socket
import struct
import time
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from fcplug import protocol

MAX_PART = 2 * protocol.MAX_EVENT_SIZE  # bytes of a header or a body: FC's limit, and a reserve
_SMALL = 64 * 1024  # bytes that plain recv calls read fast enough
_FROZEN = 1.0  # seconds after a deadline at which its process was frozen: else it acts at once
_LONGEST_WAIT = 86_400.0  # seconds of one wait; poll refuses more than 24 days
_PREFIX = struct.Struct("!BIIQ")  # kind, number, length of the header, length of the body


class Kind(IntEnum):
    """The kinds of frames, in the order in which a worker uses them."""

    HELLO = 1
    ASSIGNMENT = 2
    READY = 3
    CALL = 4
    HEAD = 5
    NEXT = 6
    CHUNK = 7
    STOP = 8
    RESULT = 9
    ERROR = 10


_KINDS: Mapping[int, Kind] = {kind.value: kind for kind in Kind}


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
        sock.setblocking(False)
        self.socket = sock
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._unread = b""  # what was received after the last frame
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
        header = _encoded(frame.header) if frame.header else b""
        header_size, body_size = len(header), len(frame.body)
        check(header_size, body_size)
        head = _PREFIX.pack(frame.kind, frame.number, header_size, body_size) + header
        self._limit(deadline)
        sent = self._send_some([head, frame.body])
        if sent < len(head) + body_size:
            self._send_rest([head, frame.body], sent, deadline)

    def receive(self, deadline: float | None = None) -> Frame:
        """Receive a frame.

        Raises:
            FrameError: the data is not a frame.
            ConnectionResetError: the other end was closed, and had not read all that was sent.
            EOFError, OSError: the other end is closed.
        """
        prefix = self._exactly(_PREFIX.size, deadline)
        number_of_kind, number, header_size, body_size = _PREFIX.unpack(prefix)
        check(header_size, body_size)
        if (kind := _KINDS.get(number_of_kind)) is None:
            raise FrameError(f"not a frame: the kind {number_of_kind} is unknown")
        header = _decoded(self._exactly(header_size, deadline)) if header_size else {}
        body = self._exactly(body_size, deadline) if body_size else b""
        return Frame(kind, number, header, body)

    def _send_some(self, parts: list[bytes] | list[memoryview]) -> int:
        try:
            return self.socket.sendmsg(parts)
        except BlockingIOError:
            return 0

    def _send_rest(self, parts: list[bytes], sent: int, deadline: float | None) -> None:
        """Send what is left of the parts each time that the other end has made room."""
        writable = select.poll()
        writable.register(self.socket, select.POLLOUT)
        rest = [memoryview(part) for part in parts]
        while True:
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if not rest:
                return
            rest[0] = rest[0][sent:]
            self._wait(writable, deadline)
            sent = self._send_some(rest)

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        if size > _SMALL:
            return self._large(size, deadline)
        data = self._unread
        while len(data) < size:
            self._wait(self._readable, deadline)
            try:
                received = self.socket.recv(_SMALL)
            except BlockingIOError:
                continue
            if not received:
                raise EOFError("the other end is gone")
            data += received
        self._unread = data[size:]
        return data[:size]

    def _large(self, size: int, deadline: float | None) -> bytes:
        # BytesIO returns its buffer without a copy, so 32 MiB never exist twice
        buffer = io.BytesIO()
        buffer.seek(size - 1)
        buffer.write(b"\0")
        buffer.seek(0)
        missing_from = buffer.write(self._unread[:size])
        self._unread = self._unread[size:]
        with buffer.getbuffer() as whole:
            missing = whole[missing_from:]
            while missing:
                self._wait(self._readable, deadline)
                try:
                    received = self.socket.recv_into(missing)
                except BlockingIOError:
                    continue
                if not received:
                    raise EOFError("the other end is gone")
                missing = missing[received:]
            missing.release()
        return buffer.getvalue()

    def _wait(self, ready: select.poll, deadline: float | None) -> None:
        while not ready.poll(self._limit(deadline)):
            pass  # until the deadline

    def _limit(self, deadline: float | None) -> float | None:
        """Return the milliseconds that a wait may take; raise TimeoutError after the deadline."""
        if deadline is None:
            return None
        left = deadline + self._moved - time.monotonic()
        if left <= 0:
            self._move(deadline)
            left = self._left
        self._left = left
        return min(left, _LONGEST_WAIT) * 1000

    def _move(self, deadline: float) -> None:
        """Move the deadlines of this call after a freeze; else raise TimeoutError."""
        late = time.monotonic() - deadline - self._moved
        if not self._forgiving or late < _FROZEN:
            raise TimeoutError
        self._moved += late + self._left


def check(*sizes: int) -> None:
    """Raise FrameError if one of the sizes is too large for a frame."""
    if (largest := max(sizes)) > MAX_PART:
        raise FrameError(f"{largest} bytes are more than the {MAX_PART} that a frame can hold")


def _encoded(header: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(header)
    except (UnicodeEncodeError, OverflowError, TypeError):
        # half of a surrogate pair, an integer over 2**64, a subclass of str
        return json.dumps(header).encode()


def _decoded(data: bytes) -> Mapping[str, Any]:
    try:
        header = _parsed(data)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not a frame: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("not a frame: the header is not an object")
    return header


def _parsed(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:  # half of a surrogate pair
        return json.loads(data)
