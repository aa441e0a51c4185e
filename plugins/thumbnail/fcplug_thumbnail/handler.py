"""The handler: settings, and what is done with an event."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypedDict

from fcplug import Context, hookimpl
from fcplug_thumbnail import location, oss
from fcplug_thumbnail.connections import Connections
from fcplug_thumbnail.errors import ObjectMissing, ThumbnailsFailed
from fcplug_thumbnail.image import EXTENSIONS, MAX_PIXELS, MAX_SIDE, decode, encode
from fcplug_thumbnail.mount import Mount
from fcplug_thumbnail.store import Encoded, Mounted, Source, Store

SAME = "same"
"""The setting ``format`` that keeps an image's own."""

ALREADY = "already a thumbnail"
"""Why an object is skipped that this handler has written."""


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
        mount: the folder where the bucket is mounted; may contain ``{bucket}``. Without it objects
            are read and written by the SDK of OSS, with the credentials of the call.
        suffix: what marks an object's name as a thumbnail's, before its extension.
        region: of the buckets; that of the call, if empty.
        endpoint: of OSS: ``internal``, ``public``, ``auto`` or a URL.
        attempts: how often a request to OSS is sent.

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
    region: str = ""
    endpoint: str = "auto"
    attempts: int = 3
    _connections: Connections = field(
        default_factory=Connections, init=False, repr=False, compare=False
    )

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
            (
                "region",
                not self.region or location.is_region(self.region),
                "an id such as cn-hangzhou",
            ),
            (
                "endpoint",
                location.is_endpoint(self.endpoint),
                f"{', '.join(location.ENDPOINTS)} or a URL without a path",
            ),
            ("attempts", 1 <= self.attempts <= 10, "1 to 10"),
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
    def invoke(self, event: bytes, context: Context) -> bytes | Report:
        """Return the thumbnail of an image, or the report on an OSS event.

        Raises:
            ThumbnailError: see ``errors``. Of an OSS event with several objects, all are tried
                before ThumbnailsFailed names those that failed.
        """
        if oss.is_json(event):
            return self._objects(oss.parse(event), context)
        return self._thumbnail(event, "the event").data

    @hookimpl
    def pre_stop(self) -> None:
        """Close the connections to OSS."""
        self._connections.close()

    def _objects(self, items: list[oss.ObjectEvent], context: Context) -> Report:
        report = Report(written=[], skipped=[])
        failed: dict[str, Exception] = {}
        store: Store | None = None
        for item in items:
            if reason := self._skip_reason(item):
                report["skipped"].append(Skipped(source=item.url, reason=reason))
                continue
            # Only now: an event that needs no object needs no credentials either.
            store = store or self._store(context)
            try:
                if written := self._object(item, store):
                    report["written"].append(written)
                else:
                    report["skipped"].append(Skipped(source=item.url, reason=ALREADY))
            except Exception as error:  # whatever is wrong with one, the others are still done
                failed[item.url] = error
        if failed and len(items) == 1:
            raise failed[items[0].url]
        if failed:
            raise ThumbnailsFailed(failed, [done["thumbnail"] for done in report["written"]])
        return report

    def _store(self, context: Context) -> Store:
        if self.mount:
            return Mounted(Mount(self.mount), f"{self.suffix}.tmp")
        return self._connections.store(context, self.endpoint, self.region, self.attempts)

    def _skip_reason(self, item: oss.ObjectEvent) -> str:
        if not item.created:
            return item.name
        if item.key.endswith("/"):
            return "a folder"
        # A thumbnail is a new object too: without this the function would call itself for ever.
        names = (PurePosixPath(key).stem for key in (item.key, item.decoded.key))
        return ALREADY if any(name.endswith(self.suffix) for name in names) else ""

    def _object(self, item: oss.ObjectEvent, store: Store) -> Written | None:
        """Return what was written; None if the object is marked as a thumbnail."""
        item, source = self._source(item, store)
        if source is None:
            return None
        made = self._thumbnail(source.data, item.url)
        # The whole name stays, lest a.jpg and a.png share one thumbnail.
        ending = f"{self.suffix}.{made.extension}"
        source.write(ending, made)
        return Written(
            source=item.url,
            thumbnail=item.url + ending,
            width=made.width,
            height=made.height,
            size=len(made.data),
        )

    def _source(self, item: oss.ObjectEvent, store: Store) -> tuple[oss.ObjectEvent, Source | None]:
        """Return an object, under the key of the event or, if there is none, that key decoded."""
        try:
            return item, store.read(item, self.max_bytes)
        except (FileNotFoundError, ObjectMissing) as error:
            if item.decoded == item:
                raise
            missing = error
        try:
            return item.decoded, store.read(item.decoded, self.max_bytes)
        except (FileNotFoundError, ObjectMissing):
            raise missing from None

    def _thumbnail(self, data: bytes, source: str) -> Encoded:
        picture = decode(data, source, (self.width, self.height), self.max_pixels)
        to = picture.format if self.format == SAME else self.format
        encoded = encode(picture.image, to, self.quality)
        return Encoded(encoded, picture.image.width, picture.image.height, EXTENSIONS[to])
