"""An OSS trigger's event: JSON to the objects that it names. Pure."""

import json
from typing import Any, NamedTuple

from fcplug_thumbnail.errors import BadEvent


class ObjectEvent(NamedTuple):
    """What happened to one object."""

    name: str
    bucket: str
    key: str

    @property
    def created(self) -> bool:
        """Whether the object has new content."""
        return self.name.startswith("ObjectCreated:")

    @property
    def url(self) -> str:
        """The object as OSS tools spell it."""
        return f"oss://{self.bucket}/{self.key}"


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
