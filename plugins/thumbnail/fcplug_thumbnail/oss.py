"""An OSS trigger's event: JSON to the objects that it names. Pure."""

import json
import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from fcplug_thumbnail.errors import BadEvent, BadKey

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1023
_PARTS = ("InitiateMultipartUpload", "UploadPart", "UploadPartCopy")  # of no object yet


class ObjectEvent(NamedTuple):
    """What happened to one object."""

    name: str
    bucket: str
    key: str

    @property
    def created(self) -> bool:
        """Whether the object has new content: not if only parts of it are uploaded."""
        kind, _, how = self.name.partition(":")
        return kind == "ObjectCreated" and how not in _PARTS

    @property
    def decoded(self) -> "ObjectEvent":
        """The event with its key URL-decoded; where nothing is to decode, this event."""
        return self._replace(key=unquote(self.key))

    @property
    def url(self) -> str:
        """The object as OSS tools spell it."""
        return f"oss://{self.bucket}/{self.key}"

    def check_bucket(self) -> None:
        """Raise BadKey unless a bucket can have this name."""
        if not _BUCKET_NAME.fullmatch(self.bucket):
            raise BadKey(f"{self.bucket!r} is not a name that an OSS bucket can have")

    def check_key(self) -> None:
        """Raise BadKey unless an object can have this key.

        Keys with the parts ``.`` and ``..`` are rejected, though OSS allows them: clients of HTTP
        turn them into other keys.
        """
        try:
            size = len(self.key.encode())
        except UnicodeEncodeError:
            raise BadKey(f"{self.url!r}: the key is not valid Unicode") from None
        if not 1 <= size <= _MOST_KEY_BYTES:
            raise BadKey(f"{self.url!r}: a key has 1 to {_MOST_KEY_BYTES} bytes, not {size}")
        if self.key[0] in "/\\" or not {".", ".."}.isdisjoint(self.key.split("/")):
            raise BadKey(f"{self.url!r}: the key is not a path inside the bucket")


def is_json(event: bytes) -> bool:
    """Tell JSON objects and arrays from images: no image format begins with a bracket."""
    return event.lstrip()[:1] in (b"{", b"[")


def parse(event: bytes) -> list[ObjectEvent]:
    """Return the object events in an OSS event, in its order.

    Raises:
        BadEvent: it is not JSON, or not of OSS's shape; then none of it is used.
    """
    try:
        document = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"the event begins like JSON and is not ({error})") from error
    match document:
        case {"events": [*records]}:
            return [_object_event(index, record) for index, record in enumerate(records)]
        case _:
            raise BadEvent("the event is JSON and not an OSS event")


def _object_event(index: int, record: Any) -> ObjectEvent:
    match record:
        case {
            "eventName": str(name),
            "oss": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
        }:
            return ObjectEvent(name, bucket, key)
        case _:
            raise BadEvent(f"events[{index}] is not one of OSS")
