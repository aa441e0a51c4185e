"""The handler: settings, and what is done with an event."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple, TypedDict

from fcplug import hookimpl
from fcplug_thumbnail import oss
from fcplug_thumbnail.errors import MountMissing, ThumbnailsFailed
from fcplug_thumbnail.image import EXTENSIONS, MAX_PIXELS, MAX_SIDE, decode, encode
from fcplug_thumbnail.mount import Mount, read, write

SAME = "same"
"""The setting ``format`` that keeps an image's own."""


class Written(TypedDict):
    """A thumbnail and the object it was made of; width and height in pixels, size in bytes."""

    source: str
    thumbnail: str
    width: int
    height: int
    size: int


class Skipped(TypedDict):
    """An object left alone, and why."""

    source: str
    reason: str


class Report(TypedDict):
    """The answer to an OSS event."""

    written: list[Written]
    skipped: list[Skipped]


class Encoded(NamedTuple):
    """A thumbnail's bytes, its size in pixels and the extension for its format."""

    data: bytes
    width: int
    height: int
    extension: str


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """Answers an image with a smaller one, and an OSS event with thumbnails beside its objects.

    Attributes:
        width: the most pixels across; an image is never enlarged.
        height: the most pixels down.
        format: a format to write, or ``same``.
        quality: of JPEG and WebP.
        max_pixels: the largest image decoded, as width times height.
        max_bytes: the largest object read.
        mount: the folder where the bucket is mounted; may contain ``{bucket}``.
        suffix: what marks an object's name as a thumbnail's, before its extension.

    Raises:
        ValueError: a setting is out of its range.
    """

    width: int = 320
    height: int = 320
    format: str = SAME
    quality: int = 80
    max_pixels: int = 50_000_000
    max_bytes: int = 32 * 1024 * 1024
    mount: str = ""
    suffix: str = ".thumb"

    def __post_init__(self) -> None:
        formats = (SAME, *EXTENSIONS)
        for setting, fits, allowed in (
            ("width", 1 <= self.width <= MAX_SIDE, f"1 to {MAX_SIDE}"),
            ("height", 1 <= self.height <= MAX_SIDE, f"1 to {MAX_SIDE}"),
            ("format", self.format in formats, ", ".join(formats)),
            ("quality", 1 <= self.quality <= 95, "1 to 95"),
            ("max_pixels", 1 <= self.max_pixels <= MAX_PIXELS, f"1 to {MAX_PIXELS}"),
            ("max_bytes", self.max_bytes >= 1, "1 or more"),
            ("mount", not self.mount or self.mount.startswith("/"), "an absolute path"),
            ("suffix", re.fullmatch(r"[\w.-]+", self.suffix), "letters, digits, '.', '-', '_'"),
        ):
            if not fits:
                value = getattr(self, setting)
                raise ValueError(f"{setting}: {value!r} is not allowed: use {allowed}")

    @hookimpl
    def initialize(self) -> None:
        """Raise MountMissing unless the mount, when one is set, is there."""
        if self.mount:
            Mount(self.mount).check()

    @hookimpl
    def invoke(self, event: bytes) -> bytes | Report:
        """Return the thumbnail of an image, or the report on an OSS event.

        Raises:
            ThumbnailError: see ``errors``. Of an OSS event with several objects, all are tried
                before ThumbnailsFailed tells of those that failed.
        """
        if oss.is_json(event):
            return self._objects(oss.parse(event))
        return self._thumbnail(event, "the event").data

    def _objects(self, items: list[oss.ObjectEvent]) -> Report:
        if not self.mount:
            raise MountMissing(
                "an OSS event needs the setting mount: the folder where the bucket is mounted"
            )
        report = Report(written=[], skipped=[])
        failed: dict[str, Exception] = {}
        for item in items:
            if reason := self._skip_reason(item):
                report["skipped"].append(Skipped(source=item.url, reason=reason))
                continue
            try:
                report["written"].append(self._object(item))
            except Exception as error:  # whatever is wrong with one, the others are still done
                failed[item.url] = error
        if failed and len(items) == 1:
            raise failed[items[0].url]
        if failed:
            raise ThumbnailsFailed(failed, [done["thumbnail"] for done in report["written"]])
        return report

    def _skip_reason(self, item: oss.ObjectEvent) -> str:
        if not item.created:
            return item.name
        if item.key.endswith("/"):
            return "a folder"
        # A thumbnail is a new object too: without this the function would call itself for ever.
        if PurePosixPath(item.key).stem.endswith(self.suffix):
            return "already a thumbnail"
        return ""

    def _object(self, item: oss.ObjectEvent) -> Written:
        place = Mount(self.mount).locate(item)
        made = self._thumbnail(read(place.file, item.url, self.max_bytes), item.url)
        # The whole name stays, lest a.jpg and a.png share one thumbnail.
        ending = f"{self.suffix}.{made.extension}"
        target = place.folder / (PurePosixPath(item.key).name + ending)
        write(target, made.data, temporary_ending=f"{self.suffix}.tmp")
        return Written(
            source=item.url,
            thumbnail=item.url + ending,
            width=made.width,
            height=made.height,
            size=len(made.data),
        )

    def _thumbnail(self, data: bytes, source: str) -> Encoded:
        picture = decode(data, source, (self.width, self.height), self.max_pixels)
        to = picture.format if self.format == SAME else self.format
        encoded = encode(picture.image, to, self.quality)
        return Encoded(encoded, picture.image.width, picture.image.height, EXTENSIONS[to])
