"""A bucket mounted as a folder: finding an object's file, reading it, writing one beside it."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from fcplug_thumbnail.errors import BadImage, BadKey, MountMissing
from fcplug_thumbnail.oss import ObjectEvent

BUCKET = "{bucket}"


class Place(NamedTuple):
    """An object's file, and the folder its key puts it in: elsewhere if the file is a link."""

    file: Path
    folder: Path


@dataclass(frozen=True)
class Mount:
    """The folder where buckets are mounted; ``{bucket}`` in its path stands for their names."""

    path: str

    def check(self) -> None:
        """Raise MountMissing unless the folder is there, as far as its path names no bucket."""
        known = Path(*takewhile(lambda part: BUCKET not in part, Path(self.path).parts))
        self._folder(known)

    def locate(self, item: ObjectEvent) -> Place:
        """Return where an object is, links followed.

        Raises:
            BadKey: its bucket or key leads out of the mount, or to something that is not a file.
            MountMissing: its bucket is not mounted.
            OSError: there is no such file, or it may not be looked at.
        """
        item.check_bucket()
        if "\0" in item.key or not {"", ".", ".."}.isdisjoint(item.key.split("/")):
            raise BadKey(f"{item.url!r}: the key is not a path inside the mount")
        item.check_key()
        root = self._folder(Path(self.path.replace(BUCKET, item.bucket)))
        file = _real(root / item.key)
        folder = _real((root / item.key).parent)
        if not (file.is_relative_to(root) and folder.is_relative_to(root)):
            raise BadKey(f"{item.url!r}: a link in the key leads out of the mount")
        if not file.is_file():
            raise BadKey(f"{item.url!r} is not a file")
        return Place(file, folder)

    def _folder(self, path: Path) -> Path:
        if not path.is_dir():
            raise MountMissing(
                f"setting mount: {self.path!r}: {str(path)!r} is not a folder here: mount the "
                "bucket there in the function's OSS mount configuration, or correct the setting"
            )
        return _real(path)


def read(file: Path, source: str, max_bytes: int) -> bytes:
    """Return a file's content.

    Raises:
        BadImage: it is larger than ``max_bytes``; then it is not read.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > max_bytes:
            raise BadImage(source, size, f"too large: max_bytes allows {max_bytes}")
        return opened.read()


def write(path: Path, data: bytes, temporary_ending: str) -> None:
    """Put a file in place in one step, where the mounted file system renames in one.

    A crash leaves the old file or the new one, and maybe a ``.<random><temporary_ending>`` beside
    it, which nothing reads.

    Raises:
        OSError: it cannot be written; then nothing is left behind.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}{temporary_ending}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path, strict=True))
