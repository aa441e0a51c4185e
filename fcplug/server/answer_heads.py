"""The heads of answers: status and fields are checked once, then their bytes are remembered."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from fcplug import protocol

Fields = Iterable[tuple[str, str]]

MAX_HEADS = 1024
MAX_SIZE = 512  # bytes of a head

CONTENT_LENGTH = "content-length"
_REMEMBERED = {
    "cache-control",
    "content-encoding",
    "content-language",
    CONTENT_LENGTH,
    "content-type",
    protocol.STATUS,
    "vary",
}
_HOP_BY_HOP = {  # RFC 2616, 13.5.1, which PEP 3333 refers to
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
}

_TEXT = rb"[\t -~\x80-\xff]*"
_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: " + _TEXT + rb"\r\n"
_STATUS_LINE = rb"HTTP/1\.[01] [2-5][0-9]{2}( " + _TEXT + rb")?\r\n"
_HEAD = re.compile(_STATUS_LINE + rb"(" + _FIELD + rb")*\r\n")


class AnswerError(Exception):
    """The application's status or a header field cannot be sent."""


class KnownHead(NamedTuple):
    """A head that was sent.

    Attributes:
        data: its bytes, up to the Date field.
        length: the value of its Content-Length.
    """

    data: bytes
    length: int


class AnswerHeads:
    """The heads of answers that were sent, up to their Date field.

    Only heads of the fields above are remembered, so none with a cookie or another secret. At most
    ``MAX_HEADS`` heads are kept; when they are too many, all are forgotten. Several threads may use
    it at the same time.
    """

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], KnownHead] = {}

    def find(self, status: str, fields: Fields) -> KnownHead | None:
        """Return the head of a status and fields; None if it is not known."""
        try:
            return self._heads.get((status, *fields))
        except TypeError:  # an application may give lists for pairs
            return None

    def add(self, status: str, fields: Fields, names: set[str], head: KnownHead) -> None:
        """Remember a head that was checked; ``names`` are those of its fields, in lower case."""
        if names <= _REMEMBERED and len(head.data) <= MAX_SIZE:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            key = (status, *map(tuple, fields))
            self._heads[key] = head

    def __len__(self) -> int:
        return len(self._heads)


def check_fields(status: object, fields: Iterable[tuple[object, object]]) -> int | None:
    """Return the value of the Content-Length; None if there is none.

    Raises:
        AnswerError: the status or a field is not a line of text, or is not an application's to set.
        ValueError: the Content-Length is not a number.
    """
    if not _is_line(status):
        raise AnswerError("the status is not a str of one line")
    length = None
    for name, value in fields:
        if not (isinstance(name, str) and _is_line(name) and _is_line(value)):
            raise AnswerError(f"the header field {name!a} is not two str of one line each")
        known = name.lower()
        if known in _HOP_BY_HOP:
            raise AnswerError(f"the header field {name!a} is hop-by-hop: only a server may send it")
        if known == CONTENT_LENGTH:
            length = int(str(value))
    return length


def _is_line(text: object) -> bool:
    return isinstance(text, str) and "\r" not in text and "\n" not in text


def check_head(head: bytes) -> None:
    """Check the bytes of a whole head.

    Raises:
        AnswerError: they would break the framing; the field is named.
    """
    if _HEAD.fullmatch(head):
        return
    status, *fields = head.splitlines(keepends=True)[:-1]
    if not re.fullmatch(_STATUS_LINE, status):
        raise AnswerError("the status is not a final one with a reason of printable characters")
    wrong = next((field for field in fields if not re.fullmatch(_FIELD, field)), b"")
    name = wrong.partition(b":")[0]
    raise AnswerError(f"the header field {name!r} has a name or a value that cannot be sent")
