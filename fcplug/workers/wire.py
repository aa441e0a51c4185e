"""Send and receive frames: a kind, a header, and a body; both are raw bytes here."""

import io
import select
import socket
import struct
import time
from collections.abc import Mapping

from msgspec import Struct

from fcplug import protocol

MAX_PART = 2 * protocol.MAX_EVENT_SIZE  # bytes of a header or a body: FC's limit, and a reserve
_SMALL = 64 * 1024  # bytes that plain recv calls read fast enough
_FROZEN = 1.0  # seconds after a deadline at which its process was frozen: else it acts at once
_LONGEST_WAIT = 86_400.0  # seconds of one wait; poll refuses more than 24 days
_PREFIX = struct.Struct("!BIIQ")  # kind, number, length of the header, length of the body


class Kind:
    """The kinds of frames, in the order in which a worker uses them.

    They are plain numbers: Python 3.11 runs a function for each look-up of an Enum's member.
    """

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


_NAMES: Mapping[int, str] = {
    number: name for name, number in vars(Kind).items() if isinstance(number, int)
}


class FrameError(ValueError):
    """Data that was received, or should be sent, is not a valid frame."""


class Frame(Struct, frozen=True):
    """One message: its ``kind`` is one of ``Kind``, and ``number`` identifies its call."""

    kind: int
    number: int = 0
    header: bytes = b""
    body: bytes = b""

    @property
    def name(self) -> str:
        """The name of its kind, for messages."""
        return _NAMES[self.kind]


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
        header_size, body_size = len(frame.header), len(frame.body)
        if body_size > MAX_PART or header_size > MAX_PART:
            raise too_large(max(body_size, header_size))
        head = _PREFIX.pack(frame.kind, frame.number, header_size, body_size) + frame.header
        # one part is sent faster than two, but a large one is not copied
        parts = [head, frame.body] if body_size > _SMALL else [head + frame.body]
        self._limit(deadline)
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        if sent < _PREFIX.size + header_size + body_size:
            self._send_rest(parts, sent, deadline)

    def receive(self, deadline: float | None = None) -> Frame:
        """Receive a frame.

        Raises:
            FrameError: the data is not a frame.
            ConnectionResetError: the other end was closed, and had not read all that was sent.
            EOFError, OSError: the other end is closed.
        """
        data = self._at_least(_PREFIX.size, deadline)
        kind, number, header_size, body_size = _PREFIX.unpack_from(data)
        if body_size > MAX_PART or header_size > MAX_PART:
            raise too_large(max(body_size, header_size))
        if kind not in _NAMES:
            raise FrameError(f"not a frame: the kind {kind} is unknown")
        begin = _PREFIX.size + header_size
        end = begin + body_size
        if end > _SMALL:
            self._unread = data[_PREFIX.size :]
            header, body = self._large(header_size, deadline), self._large(body_size, deadline)
        else:
            if len(data) < end:
                data = self._at_least(end, deadline)
            header, body, self._unread = data[_PREFIX.size : begin], data[begin:end], data[end:]
        return Frame(kind, number, header, body)

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
            writable.poll(self._limit(deadline))
            try:
                sent = self.socket.sendmsg(rest)
            except BlockingIOError:
                sent = 0

    def _at_least(self, size: int, deadline: float | None) -> bytes:
        """Return what was received after the last frame, once it is so long."""
        while len(self._unread) < size:
            self._readable.poll(self._limit(deadline))
            try:
                received = self.socket.recv(_SMALL)
            except BlockingIOError:
                continue
            if not received:
                raise EOFError("the other end is gone")
            self._unread += received
        return self._unread

    def _large(self, size: int, deadline: float | None) -> bytes:
        if not size:
            return b""
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
                self._readable.poll(self._limit(deadline))
                try:
                    received = self.socket.recv_into(missing)
                except BlockingIOError:
                    continue
                if not received:
                    raise EOFError("the other end is gone")
                missing = missing[received:]
            missing.release()
        return buffer.getvalue()

    def _limit(self, deadline: float | None) -> float | None:
        """Return the milliseconds that a wait may take; raise TimeoutError after the deadline."""
        if deadline is None:
            return None
        left = deadline + self._moved - time.monotonic()
        if left <= 0:
            self._move(deadline)
            left = self._left
        self._left = left
        return left * 1000 if left < _LONGEST_WAIT else _LONGEST_WAIT * 1000

    def _move(self, deadline: float) -> None:
        """Move the deadlines of this call after a freeze; else raise TimeoutError."""
        late = time.monotonic() - deadline - self._moved
        if not self._forgiving or late < _FROZEN:
            raise TimeoutError
        self._moved += late + self._left


def too_large(size: int) -> FrameError:
    """Return the error for a header or a body that is larger than ``MAX_PART``."""
    return FrameError(f"{size} bytes are more than the {MAX_PART} that a frame can hold")
