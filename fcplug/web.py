"""What a web function answers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Response(NamedTuple):
    """A status line such as ``200 OK``, header fields in order, and the body as it is made.

    Whoever gets the response closes ``body`` when it has a ``close``, read to its end or not.
    """

    status: str
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]
