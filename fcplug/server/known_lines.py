"""The memory of header lines that come with many requests."""

import re
from collections.abc import Iterable, Iterator

from fcplug import protocol

Field = tuple[str, str]

MAX_LINES = 1024
MAX_SIZE = 256  # bytes of a line

_PRINTABLE = re.compile(rb"[ -~]+")
_EACH_CALL_ITS_OWN = {protocol.REQUEST_ID, protocol.SPAN_CONTEXT, protocol.SPAN_BAGGAGES}
_REMEMBERED = {
    protocol.environ_key(name)
    for name in (
        *(set(protocol.CONTEXT_HEADERS) - _EACH_CALL_ITS_OWN - set(protocol.CREDENTIAL_HEADERS)),
        protocol.CONTROL_PATH,
        protocol.FUNCTION_INITIALIZER,
        protocol.INITIALIZATION_TIMEOUT,
        protocol.PRE_STOP_HANDLER,
        protocol.PRE_FREEZE_HANDLER,
        *protocol.EMPTY_HEADERS,
        protocol.FORWARDED_PROTO,
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-type",
        "host",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
        "upgrade-insecure-requests",
        "user-agent",
    )
}


class KnownLines:
    """Header lines of accepted heads, each with its name in a WSGI environ and its value.

    Only lines with the names above are remembered: no credential, nothing that frames a body, and
    nothing whose name is not known. At most ``most`` lines of ``MAX_SIZE`` bytes are kept. When
    they are too many, all are forgotten, and those in use soon come again. Several threads may use
    it at the same time.

    Attributes:
        find: returns the field of a line, None for a line that is not known.
    """

    def __init__(self, most: int = MAX_LINES) -> None:
        self._most = most
        self._fields: dict[bytes, Field] = {}
        self.find = self._fields.get

    def add(self, lines: Iterable[bytes], fields: Iterable[Field]) -> None:
        """Remember the lines of an accepted head that may come again; more lines than fields do."""
        for line, field in zip(lines, fields, strict=False):
            if field[0] in _REMEMBERED and len(line) <= MAX_SIZE and _PRINTABLE.fullmatch(line):
                if len(self._fields) >= self._most:
                    self._fields.clear()
                self._fields[line] = field

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._fields))
