"""The memory of answers' heads: status and fields, checked once, and their bytes."""

from collections.abc import Iterable

from fcplug import protocol

Fields = Iterable[tuple[str, str]]

MAX_HEADS = 1024
MAX_SIZE = 512  # bytes of a head

_REMEMBERED = {
    "cache-control",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    protocol.STATUS,
    "vary",
}


class AnswerHeads:
    """The heads of answers that were sent, up to their Date field.

    Only heads of the fields above are remembered, so none with a cookie or another secret. At most
    ``MAX_HEADS`` heads are kept; when they are too many, all are forgotten. Several threads may use
    it at the same time.
    """

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], bytes] = {}

    def find(self, status: str, fields: Fields) -> bytes | None:
        """Return the bytes of a head; None if it is not known."""
        try:
            return self._heads.get((status, *fields))
        except TypeError:  # an application may give lists for pairs
            return None

    def add(self, status: str, fields: Fields, names: set[str], head: bytes) -> None:
        """Remember a head that was checked; ``names`` are those of its fields, in lower case."""
        if names <= _REMEMBERED and len(head) <= MAX_SIZE:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            key = (status, *map(tuple, fields))
            self._heads[key] = head

    def __len__(self) -> int:
        return len(self._heads)
