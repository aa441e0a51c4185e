"""The heads of one connection: what comes again with the next request is not parsed again."""

import re
from collections.abc import Mapping
from itertools import compress
from operator import ne
from types import MappingProxyType
from typing import Any

from fcplug.server.head import NO_FIELDS, HeadError, RequestHead, body_length, parse
from fcplug.server.known_lines import KnownLines

NO_VALUES: Mapping[str, Any] = MappingProxyType({})

MAX_SIZE = 8 * 1024  # bytes of a head that is kept; those of FC have 2 KiB

# the first line, and fields that other parts of a head are checked with
_DECISIVE = {"", "HTTP_HOST", "HTTP_CONNECTION"}
_PLAIN = re.compile(rb"([^:]+:) ([!-~](?:[ -~]*[!-~])?)\r")


class HeadReader:
    """Reads the heads of one connection; keeps the last one, with its credentials.

    It adds ``shared`` to the headers of each: to copy both at once is quicker than to add one to
    the other.

    A platform's calls over one connection differ in two or three lines. If only such lines differ,
    and their names do not, only they are read. Every other head is parsed as a whole.
    """

    def __init__(
        self, max_fields: int, known: KnownLines, shared: Mapping[str, Any] = NO_VALUES
    ) -> None:
        self._max_fields = max_fields
        self._known = known
        self._shared = shared
        self._lines: list[bytes] = []  # of the last head; empty if it is not kept
        self._keys: list[str] = []  # of the field in each line
        self._headers: dict[str, str] = {}
        self._head: RequestHead | None = None
        self._length: int | None = None  # of the body

    def read(self, data: bytes) -> RequestHead:
        """Parse a head as ``head.parse`` does, which decides whatever is not plain.

        Raises:
            HeadError: as ``head.parse``.
        """
        lines = data.split(b"\n")  # each with its CR: to find one byte takes half the time
        may_keep = len(data) <= MAX_SIZE
        if may_keep and len(lines) == len(self._lines) and (head := self._read_changed(lines)):
            return head
        self._lines = []
        head = parse(data, self._max_fields, self._known)
        names = list(head.headers)
        head.headers.update(self._shared)
        # else fields were joined or left out, or say how the body is coded
        if may_keep and len(names) == len(lines) - NO_FIELDS:
            self._lines, self._keys = lines, ["", *names, "", ""]
            self._headers, self._head = head.headers.copy(), head
            self._length = head.content_length
        return head

    def _read_changed(self, lines: list[bytes]) -> RequestHead | None:
        """Read the lines that differ from the last head; return None if one is not plain.

        A plain one has the name of the line in its place, a space, and printable ASCII. llhttp
        would return these bytes as they are, and none of them decides how the head is read. The
        length of the body is checked again if it differs.
        """
        before, headers = self._head, self._headers
        if before is None:
            return None
        values = {}
        for at in compress(range(len(lines)), map(ne, lines, self._lines)):
            key, plain = self._keys[at], _PLAIN.fullmatch(lines[at])
            if key in _DECISIVE or not plain or not self._lines[at].startswith(plain[1]):
                return None
            values[key] = plain[2].decode()
        if values:
            if "CONTENT_LENGTH" in values:
                try:
                    self._length = body_length(values, before.version)
                except HeadError:
                    return None
            headers.update(values)
            self._lines = lines
        return RequestHead(
            before.method,
            before.target,
            before.path,
            before.query,
            before.version,
            headers.copy(),
            self._length,
        )
