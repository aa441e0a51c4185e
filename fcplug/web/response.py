"""What a web function answers."""

import logging
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple

log = logging.getLogger("fcplug")


class Response(NamedTuple):
    """A status line such as ``200 OK``, header fields in order, and the body as it is made.

    Whoever gets the response closes ``body`` when it has a ``close``, read to its end or not.
    """

    status: str
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]


class Body(Iterator[bytes]):
    """The chunks of a body, and what is to be done once when it is closed."""

    def __init__(self, chunks: Iterator[bytes], on_close: Callable[[], None]) -> None:
        self._chunks = chunks
        self._on_close: Callable[[], None] | None = on_close

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Close the body, read to its end or not."""
        on_close, self._on_close = self._on_close, None
        if on_close:
            on_close()


class BodyCut(Exception):  # noqa: N818 - it is told to the server alone
    """A body ends before it is complete, and must not end as if it were; the log tells why."""


def close_body(body: object) -> None:
    """Close a body that has a ``close``."""
    closing = getattr(body, "close", None)
    if closing:
        closing()


def close_failed(body: object) -> None:
    """Close a body after a failure, which is to be told: one of the closing is logged only."""
    try:
        close_body(body)
    except BaseException as error:
        log.error("the body could not be closed either", exc_info=error)


def has_no_body(status: str) -> bool:
    """Tell whether a status line is one that no body follows."""
    return status[:3] in ("204", "304")


def length_of(headers: Sequence[tuple[str, str]]) -> int | None:
    """Return the Content-Length among header fields, None if there is none."""
    return next((int(value) for name, value in headers if name.lower() == "content-length"), None)


def reason_of(status: int) -> str:
    """Return the usual reason of a status, ``Unknown`` where it has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
