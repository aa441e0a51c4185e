"""The heads of one connection: what comes again with the next request is not parsed again."""

import re
from collections.abc import Mapping
from itertools import compress
from operator import ne
from types import MappingProxyType
from typing import Any

from fcplug import protocol
from fcplug.server.head import NO_FIELDS, HeadError, RequestHead, body_length, parse
from fcplug.server.known_lines import KnownLines

NO_VALUES: Mapping[str, Any] = MappingProxyType({})

MAX_SIZE = 8 * 1024  # bytes of a head that is kept; those of FC have 2 KiB

# of the first line, and of fields that other parts of a head are checked with
_DECISIVE = {"", "HTTP_HOST", "HTTP_CONNECTION"}
_OF_EACH_REQUEST = {protocol.environ_key(protocol.REQUEST_ID), "CONTENT_LENGTH"}

_LINE_END = b"\r\n"
_PLAIN_LINE = re.compile(rb"([^:]+: )[!-~](?:[ -~]*[!-~])?")
_PLAIN_VALUE = re.compile(rb"([!-~](?:[ -~]*[!-~])?)\r\n")


class HeadReader:
    """Reads the heads of one connection; keeps the last one, with its credentials.

    It adds ``shared`` to the headers of each: to copy both at once is quicker than to add one to
    the other.

    A platform's calls over one connection differ in two or three lines. So a head is kept as a
    template: bytes that stay the same, and between them values that change. Only these values are
    read from the next head, if the rest is the same. Every other head is parsed as a whole, and a
    value that differs in it is one that changes.
    """

    def __init__(
        self, max_fields: int, known: KnownLines, shared: Mapping[str, Any] = NO_VALUES
    ) -> None:
        self._max_fields = max_fields
        self._known = known
        self._shared = shared
        self._head: RequestHead | None = None  # the last one; None if it is not kept
        self._length: int | None = None  # of its body
        self._lines: list[bytes] = []  # of the head that the template was made of
        self._keys: list[str] = []  # of the field in each line
        self._same: list[bytes] = []  # what stays, before each value that changes
        self._changing: list[str] = []  # the keys of these values
        self._rest = b""  # what stays, after the last of them

    def read(self, data: bytes) -> RequestHead:
        """Parse a head as ``head.parse`` does, which decides whatever is not plain.

        Raises:
            HeadError: as ``head.parse``.
        """
        if self._head and len(data) <= MAX_SIZE and (head := self._read_values(data, self._head)):
            return head
        self._head = None
        head = parse(data, self._max_fields, self._known)
        names = list(head.headers)
        head.headers.update(self._shared)
        lines = data.split(_LINE_END)
        # else fields were joined or left out, or say how the body is coded
        if len(data) <= MAX_SIZE and len(names) == len(lines) - NO_FIELDS:
            self._make_template(lines, ["", *names, "", ""])
            self._head, self._length = _copy(head, head.content_length), head.content_length
        return head

    def _read_values(self, data: bytes, last: RequestHead) -> RequestHead | None:
        """Read the values that change; return None if one is not plain, or if more has changed.

        A plain one is printable ASCII after one space. llhttp would return these bytes as they
        are, and none of them decides how the head is read. The length of the body is checked again
        if it differs.
        """
        at = 0
        values = {}
        for same, key in zip(self._same, self._changing, strict=True):
            found = data.startswith(same, at) and _PLAIN_VALUE.match(data, at + len(same))
            if not found:
                return None
            values[key] = found[1].decode()
            at = found.end(1)
        if data[at:] != self._rest:
            return None
        length = values.get("CONTENT_LENGTH")
        if length is not None and length != last.headers["CONTENT_LENGTH"]:
            try:
                self._length = body_length(values, last.version)
            except HeadError:
                return None
        last.headers.update(values)
        return _copy(last, self._length)

    def _make_template(self, lines: list[bytes], keys: list[str]) -> None:
        """Part a head, cut at the ends of its lines, into what stays and the values that change."""
        changing = _OF_EACH_REQUEST
        if keys == self._keys:
            differs = map(ne, lines, self._lines)
            changing = {*self._changing, *changing, *compress(keys, differs)} - _DECISIVE
        self._lines, self._keys = lines, keys
        self._same, self._changing = [], []
        same = b""
        for key, line in zip(keys, lines, strict=True):
            if key in changing and (plain := _PLAIN_LINE.fullmatch(line)):
                self._same.append(same + plain[1])
                self._changing.append(key)
                same = _LINE_END
            else:
                same += line + _LINE_END
        self._rest = same.removesuffix(_LINE_END)


def _copy(head: RequestHead, length: int | None) -> RequestHead:
    return RequestHead(
        head.method,
        head.target,
        head.path,
        head.query,
        head.version,
        head.headers.copy(),
        length,
    )
