"""The head of a runtime's answer, read more strictly than ``http.client`` does."""

import http.client
from typing import Any, BinaryIO


class _Head:
    """Reads the lines of a head; the end of the connection in it is an error, not its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begun = False
        self.close = file.close

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        is_head = self._begun or line.startswith(b"HTTP/")
        self._begun = True
        if is_head and not line.endswith(b"\n") and len(line) < limit:
            raise http.client.IncompleteRead(line)
        return line


class Response(http.client.HTTPResponse):
    """An answer whose head must be whole, where ``http.client`` reads the rest as it can."""

    fp: Any

    def begin(self) -> None:
        """Read the head.

        Raises:
            http.client.HTTPException: it is not HTTP, has no end, or no valid length.
        """
        file = self.fp
        self.fp = _Head(file)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = file
        length = self.headers.get("content-length", "0").strip()
        if not (length.isascii() and length.isdecimal()):
            raise http.client.HTTPException(f"its content-length is {length[:100]!r}")
