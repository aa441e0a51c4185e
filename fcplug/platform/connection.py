"""HTTP calls to the process of an instance, over connections that stay open, with a deadline."""

import contextlib
import http.client
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fcplug.platform.response import Response

_HOST = "127.0.0.1"
_CHUNK = 1024 * 1024
_MAX_ANSWER = 256 * 1024 * 1024  # bytes: an endless answer must not fill the memory
_KEPT = 32 * 1024 * 1024  # bytes of an answer that is passed on as it comes
_PART = 64 * 1024  # bytes of one part of it at most
_LOOK = 0.2  # seconds between looks at whether somebody still waits for the answer
# else a runtime that writes head and body apart waits 40 ms for the delayed ACK of its head (Linux)
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "TRACE"}  # FC repeats them after a broken connection


class Message(NamedTuple):
    """A request to the runtime."""

    method: str
    target: str
    fields: Sequence[tuple[str, str]]
    body: bytes = b""


class Reply(NamedTuple):
    """What the runtime answered."""

    status: int
    fields: Sequence[tuple[str, str]]
    body: bytes
    cut: bool = False  # the body is only the beginning of what was passed on

    def get(self, name: str) -> str:
        """Return the value of a header, empty if there is none."""
        return next((value for field, value in self.fields if field.lower() == name), "")


class BrokenReply(Exception):  # noqa: N818 - it is the reply that is broken
    """The runtime closed the connection, or answered what is not HTTP, or half an answer.

    Attributes:
        begun: a part of the answer was passed on.
    """

    begun = False


class Abandoned(Exception):  # noqa: N818 - it is caught, not reported
    """Nobody waits for the answer any more."""


class Receiver(Protocol):
    """Who waits for an answer, and may take its body as it comes."""

    def gone(self) -> bool:
        """Return whether nobody waits any more."""

    def begin(self, head: Reply, length: int | None) -> bool:
        """Take status and headers; return whether the body is to be written as it comes."""

    def write(self, part: bytes, deadline: float) -> None:
        """Take a part of the body.

        Raises:
            TimeoutError: it was not taken in time.
            Abandoned: nobody waits any more.
        """

    def end(self) -> None:
        """Take the end of the body: it is complete."""


class InvalidMessage(ValueError):  # noqa: N818 - it is the message that is invalid
    """A request cannot be written as HTTP."""


class _Socket(socket.socket):
    """A socket whose every wait ends at one deadline, on the monotonic clock."""

    deadline = 0.0
    receiver: Receiver | None = None

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def sendall(self, data, flags=0):  # type: ignore[no-untyped-def]
        self.settimeout(self._left())
        super().sendall(data, flags)

    def recv_into(self, *arguments):  # type: ignore[no-untyped-def]
        if _QUICK_ACK is not None:
            self.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        poll = select.poll()
        poll.register(self, select.POLLIN)
        while self.receiver is not None and not poll.poll(1000 * min(self._left(), _LOOK)):
            if self.receiver.gone():
                raise Abandoned
        self.settimeout(self._left())
        return super().recv_into(*arguments)


class _Connection(http.client.HTTPConnection):
    response_class = Response
    sock: _Socket | None

    def open(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        plain = socket.create_connection((self.host, self.port), timeout=left)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = _Socket(fileno=plain.detach())

    def closed_by_peer(self) -> bool:
        """Return whether the runtime closed it, or wrote what nobody asked for."""
        poll = select.poll()
        if self.sock is None:
            return True
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


class Pool:
    """The connections to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[_Connection] = deque()
        self._open = True
        self._lock = threading.Lock()

    def request(self, message: Message, deadline: float, receiver: Receiver | None = None) -> Reply:
        """Send a request and read the answer. ``deadline`` is on the monotonic clock.

        After a broken connection, a request of an idempotent method is sent once more, as FC does.

        Raises:
            Abandoned: the receiver has gone.
            TimeoutError: the deadline passed.
            ConnectionRefusedError: nobody listens; nothing was sent.
            BrokenReply: there is no answer, or it is not HTTP, or incomplete.
            InvalidMessage: the request cannot be sent.
        """
        try:
            return self._exchange(self._take(deadline), message, deadline, receiver)
        except BrokenReply as broken:
            again = isinstance(broken.__cause__, ConnectionError) and not broken.begun
            if not again or message.method not in _IDEMPOTENT:
                raise
        return self._exchange(self._new(deadline), message, deadline, receiver)

    def close(self) -> None:
        """Close the connections, those in use after their answer."""
        with self._lock:
            self._open = False
            while self._idle:
                self._idle.pop().close()

    def _take(self, deadline: float) -> _Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed_by_peer():
                    return connection
                connection.close()
        return self._new(deadline)

    def _new(self, deadline: float) -> _Connection:
        connection = _Connection(_HOST, self._port)
        connection.open(deadline)
        return connection

    def _exchange(
        self,
        connection: _Connection,
        message: Message,
        deadline: float,
        receiver: Receiver | None,
    ) -> Reply:
        assert connection.sock is not None  # noqa: S101 - it is open
        connection.sock.deadline, connection.sock.receiver = deadline, receiver
        keep = begun = False
        try:
            _send(connection, message)
            response = connection.getresponse()
            head = _head(response)
            begun = receiver is not None and receiver.begin(head, response.length)
            if receiver is not None and begun:
                reply = _passed_on(response, head, receiver, deadline)
            else:
                reply = head._replace(body=_body(response))
            keep = not response.will_close
            return reply
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            broken = BrokenReply(_text(error))
            broken.begun = begun
            raise broken from error
        finally:
            with self._lock:
                keep = keep and self._open
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()


def _send(connection: _Connection, message: Message) -> None:
    try:
        connection.putrequest(
            message.method, message.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in message.fields:
            connection.putheader(name, value)
    except (ValueError, http.client.HTTPException) as error:
        raise InvalidMessage(str(error)) from error
    # a runtime may answer and close before it has read the whole body
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.endheaders(message.body or None)


def _head(response: http.client.HTTPResponse) -> Reply:
    if response.status < 200:
        raise http.client.HTTPException(f"status {response.status} is not that of an answer")
    return Reply(response.status, response.getheaders(), b"")


def _passed_on(
    response: http.client.HTTPResponse, head: Reply, receiver: Receiver, deadline: float
) -> Reply:
    """Give a body to its receiver as it comes, and return the reply with its beginning."""
    left, kept, cut = response.length, bytearray(), False
    while left is None or left > 0:
        part = response.read1(_PART if left is None else min(left, _PART))
        if not part:
            break
        receiver.write(part, deadline)
        cut = cut or len(kept) + len(part) > _KEPT
        if not cut:
            kept += part
        if left is not None:
            left -= len(part)
    if left:
        raise http.client.IncompleteRead(b"", left)
    receiver.end()
    response.close()  # its connection may serve the next request
    return head._replace(body=bytes(kept), cut=cut)


def _body(response: http.client.HTTPResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _MAX_ANSWER:
            raise http.client.HTTPException(f"the answer has more than {_MAX_ANSWER} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _text(error: Exception) -> str:
    match error:
        case http.client.RemoteDisconnected():
            return "it closed the connection without an answer"
        case http.client.BadStatusLine():
            return f"its answer is not HTTP: {str(error.args[0])[:100]!r}"
        case http.client.IncompleteRead():
            return "its answer is incomplete"
    return str(error) or type(error).__name__
