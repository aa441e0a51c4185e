"""What a web function answers."""

import logging
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus

import msgspec

log = logging.getLogger("fcplug")


class Response(msgspec.Struct):
    """What answers a web request; who gets it closes it, whether the body was read or not.

    Attributes:
        status: a status line such as ``200 OK``.
        headers: header fields, in order.
        body: the chunks of the body, each made when it is asked for.
        on_close: what to call when the answer is closed, in this order. Each layer that the answer
            passes through appends its own.
    """

    status: str
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]
    on_close: list[Callable[[], object]] = []  # msgspec makes a list for each

    def close(self) -> None:
        """Call what waits for the close: once, and all of it even where some raise."""
        while self.on_close:
            callback = self.on_close.pop(0)
            try:
                callback()
            except BaseException:
                self.close()
                raise


class BodyCut(Exception):  # noqa: N818 - only the server sees it
    """A body ends before it is complete, and must not look complete; the log says why."""


def close_body(body: object) -> None:
    """Close a body that has a ``close``."""
    closing = getattr(body, "close", None)
    if closing:
        closing()


def close_failed(body: object) -> None:
    """Close a body, or a response, after a failure; an error of the closing is only logged."""
    try:
        close_body(body)
    except BaseException as error:
        log.error("the body could not be closed either", exc_info=error)


def has_no_body(status: str) -> bool:
    """Return whether a status line is one that no body follows."""
    return status[:3] in ("204", "304")


def length_of(headers: Sequence[tuple[str, str]]) -> int | None:
    """Return the Content-Length among header fields, None if there is none."""
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value)
    return None


def reason_of(status: int) -> str:
    """Return the usual reason of a status, ``Unknown`` where it has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
