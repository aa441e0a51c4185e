"""Where objects are read from and thumbnails written to: a mounted folder, or OSS itself."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from fcplug_thumbnail.mount import Mount, read, write
from fcplug_thumbnail.oss import ObjectEvent


class Encoded(NamedTuple):
    """A thumbnail's bytes, its size in pixels and the extension for its format."""

    data: bytes
    width: int
    height: int
    extension: str


class Source(NamedTuple):
    """An object that was read; ``write`` puts a thumbnail beside it, with an ending to its name."""

    data: bytes
    write: Callable[[str, Encoded], None]


class Store(Protocol):
    """What reads objects; used by one call."""

    def read(self, item: ObjectEvent, max_bytes: int) -> Source | None:
        """Return an object; None if it is marked as a thumbnail.

        Raises:
            BadImage: it is larger than ``max_bytes``.
            BadKey: no object here can have this bucket or key.
            FileNotFoundError, ObjectMissing: there is none.
            OSError, StorageError: it cannot be read.
        """


class Mounted(NamedTuple):
    """A folder where buckets are mounted; ``marker`` ends the names of temporary files."""

    mount: Mount
    marker: str

    def read(self, item: ObjectEvent, max_bytes: int) -> Source:
        """Return an object's file."""
        place = self.mount.locate(item)
        name = item.key.rpartition("/")[2]

        def put(ending: str, made: Encoded) -> None:
            write(place.folder / (name + ending), made.data, temporary_ending=self.marker)

        return Source(read(place.file, item.url, max_bytes), put)
