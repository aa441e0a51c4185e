"""The server's limits: how much a client may send, and how long it may take."""

import math
import socket

from msgspec import Struct
from waitress.adjustments import Adjustments

from fcplug import protocol
from fcplug.server.answer_heads import AnswerHeads
from fcplug.server.known_lines import KnownLines

KIB = 1024


class Limits(Struct, frozen=True):
    """The server's limits; times are seconds, sizes are bytes.

    Times are checked once a second, so each may be exceeded by up to a second.

    Attributes:
        threads: requests answered at the same time; the others wait in a queue.
        drain_timeout: from the stop signal until unfinished work is abandoned.
        linger: how long an idle connection is kept after the stop signal, for a request that its
            client may be sending at that moment.
        header_timeout: from a request's first byte to the end of its head, however steadily the
            bytes arrive.
        body_timeout: allowance for a body, on top of what ``min_body_rate`` gives it.
        min_body_rate: bytes a second below which a body is refused once ``body_timeout`` is used
            up: at any moment ``elapsed <= body_timeout + received / min_body_rate``. The default
            lets a 32 MiB event take 35 minutes and refuses one byte a second after 30 seconds.
        min_send_rate: bytes a second that a client must read while an answer waits to be sent;
            None for no limit. A pause of the application does not count.
        send_timeout: a client that owes what it should have read in this time is cut off: at once
            after this time if it reads nothing, later if it reads a little.
        idle_timeout: until a connection without a request is closed. FC answers 502 for a POST
            on a connection that is closed under it and asks for at least 15 minutes ("Custom
            runtime" FAQ); the extra minute keeps both sides from closing at the same moment.
        connection_limit: connections at the same time; at the limit, idle ones are closed after
            ``header_timeout``, and new ones wait in the kernel.
        max_body: bytes of a request's body, inclusive. Of a larger body the same number of bytes
            is read and dropped, so that its client reads the refusal instead of a reset.
        max_header: bytes of a request's head, from the first line to the empty line.
        max_header_fields: header fields of a request.
    """

    threads: int = 16
    drain_timeout: float = 30.0
    linger: float = 1.0
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    min_body_rate: int = 16 * KIB
    min_send_rate: int | None = 16 * KIB
    send_timeout: float = 10.0
    idle_timeout: float = 960.0
    connection_limit: int = 1024
    max_body: int = protocol.MAX_EVENT_SIZE
    max_header: int = 64 * KIB
    max_header_fields: int = 128

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"limit {name} is {value}: expected a number above 0")


class WaitressSettings(Adjustments):
    """waitress's settings for these limits; every parser, channel and task has them as ``adj``."""

    listen: list[str] = []  # noqa: RUF012 - waitress would resolve the hosts of its default

    def __init__(self, limits: Limits, sock: socket.socket) -> None:
        super().__init__(
            sockets=[sock],
            backlog=1024,
            connection_limit=limits.connection_limit,
            clear_untrusted_proxy_headers=False,  # the application decides whom it trusts
            ident=None,
            log_socket_errors=False,
            max_request_body_size=limits.max_body + 1,
            max_request_header_size=limits.max_header,
            recv_bytes=64 * KIB,
        )
        self.limits = limits
        self.known_lines = KnownLines()
        self.answer_heads = AnswerHeads()
