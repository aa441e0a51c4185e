"""HTTP calls to the process of an instance, over connections that stay open, with a deadline."""

import contextlib
import http.client
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_HOST = "127.0.0.1"
_CHUNK = 1024 * 1024
_MAX_ANSWER = 256 * 1024 * 1024  # bytes: an endless answer must not fill the memory
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

    def get(self, name: str) -> str:
        """Return the value of a header, empty if there is none."""
        return next((value for field, value in self.fields if field.lower() == name), "")


class BrokenReply(Exception):  # noqa: N818 - it is the reply that is broken
    """The runtime closed the connection, or answered what is not HTTP, or half an answer."""


class InvalidMessage(ValueError):  # noqa: N818 - it is the message that is invalid
    """A request cannot be written as HTTP."""


class _Socket(socket.socket):
    """A socket whose every wait ends at one deadline, on the monotonic clock."""

    deadline = 0.0

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def sendall(self, data, flags=0):  # type: ignore[no-untyped-def]
        self.settimeout(self._left())
        super().sendall(data, flags)

    def recv_into(self, *arguments):  # type: ignore[no-untyped-def]
        self.settimeout(self._left())
        return super().recv_into(*arguments)


class _Connection(http.client.HTTPConnection):
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

    def request(self, message: Message, deadline: float) -> Reply:
        """Send a request and read the answer. ``deadline`` is on the monotonic clock.

        After a broken connection, a request of an idempotent method is sent once more, as FC does.

        Raises:
            TimeoutError: the deadline passed.
            ConnectionRefusedError: nobody listens; nothing was sent.
            BrokenReply: there is no answer, or it is not HTTP, or incomplete.
            InvalidMessage: the request cannot be sent.
        """
        try:
            return self._exchange(self._take(deadline), message, deadline)
        except BrokenReply as broken:
            again = isinstance(broken.__cause__, ConnectionError)
            if not again or message.method not in _IDEMPOTENT:
                raise
        return self._exchange(self._new(deadline), message, deadline)

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

    def _exchange(self, connection: _Connection, message: Message, deadline: float) -> Reply:
        assert connection.sock is not None  # noqa: S101 - it is open
        connection.sock.deadline = deadline
        keep = False
        try:
            _send(connection, message)
            response = connection.getresponse()
            body = _body(response)
            keep = not response.will_close
            return Reply(response.status, response.getheaders(), body)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise BrokenReply(_text(error)) from error
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


def _body(response: http.client.HTTPResponse) -> bytes:
    if response.status < 200:
        raise http.client.HTTPException(f"status {response.status} is not that of an answer")
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
