"""The response to a web request."""

import logging
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus

import msgspec

log = logging.getLogger("fcplug")

CONTENT_LENGTH = "content-length"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Response(msgspec.Struct):
    """The answer to a web request.

    Its receiver must close it, even if the body was not read.

    Attributes:
        status: a status line such as ``200 OK``.
        headers: header fields, in order.
        body: the chunks of the body, each created when it is read.
        on_close: callbacks to run on close, in this order; each layer appends its own.
    """

    status: str
    headers: list[tuple[str, str]]
    body: Iterator[bytes]
    on_close: list[Callable[[], object]] = []  # msgspec creates a new list for each response

    def close(self) -> None:
        """Run all callbacks once, even if some of them raise."""
        while self.on_close:
            callback = self.on_close.pop(0)
            try:
                callback()
            except BaseException:
                self.close()
                raise


class BodyCut(Exception):  # noqa: N818 - only the server sees it
    """A body ended too early; the log has the reason."""


def close_body(body: object) -> None:
    """Close a body that has a ``close``."""
    closing = getattr(body, "close", None)
    if closing:
        closing()


def close_failed(body: object) -> None:
    """Close a body or response after a failure; log further errors."""
    try:
        close_body(body)
    except BaseException as error:
        log.error("the body could not be closed either", exc_info=error)


def has_no_body(status: str) -> bool:
    """Return whether responses with this status line have no body."""
    return status[:3] in ("204", "304")


def length_of(headers: list[tuple[str, str]]) -> int | None:
    """Return the Content-Length among header fields, None if there is none."""
    for name, value in headers:
        if name.lower() == CONTENT_LENGTH:
            return int(value)
    return None


@lru_cache(maxsize=1024)  # the same few names come with every answer
def known_name(name: str) -> str:
    """Return a header's name in lower case; empty if it cannot be sent."""
    return name.lower() if _NAME.fullmatch(name) else ""


@lru_cache
def reason_of(status: int) -> str:
    """Return the standard reason of a status, or ``Unknown``."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
