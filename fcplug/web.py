"""What a web function answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class Response(NamedTuple):
    """A status line such as ``200 OK``, header fields in order, and the body as it is made.

    Whoever gets the response closes ``body`` when it has a ``close``, read to its end or not.
    """

    status: str
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]


class Body(Iterator[bytes]):
    """The chunks of a body, and what is to be done once when it ends, however it does."""

    def __init__(self, chunks: Iterator[bytes], on_end: Callable[[], None]) -> None:
        self._chunks = chunks
        self._on_end: Callable[[], None] | None = on_end

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the body here; do nothing if it has ended."""
        on_end, self._on_end = self._on_end, None
        if on_end:
            on_end()


class BodyCut(Exception):  # noqa: N818 - it is told to the server alone
    """A body ends before it is complete, and must not end as if it were; the log tells why."""


def close(body: Iterator[bytes]) -> None:
    """Close a body that has a ``close``."""
    closing = getattr(body, "close", None)
    if closing:
        closing()


def has_no_body(status: str) -> bool:
    """Tell whether a status line is one that no body follows."""
    return status[:3] in ("204", "304")


def length_of(headers: Sequence[tuple[str, str]]) -> int | None:
    """Return the Content-Length among header fields, None if there is none."""
    return next((int(value) for name, value in headers if name.lower() == "content-length"), None)
