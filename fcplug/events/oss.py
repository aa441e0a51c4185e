"""The event of an OSS trigger: something happened to objects of a bucket."""

from datetime import datetime

from msgspec import field

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class OSSBucket(Camel, frozen=True, kw_only=True):
    """The bucket that the object is in."""

    name: str
    arn: str = ""
    owner_identity: str = ""
    virtual_bucket: str = ""


class OSSObjectMeta(Camel, frozen=True, kw_only=True):
    """What newer events say of an object: its type, and the ``x-oss-meta-...`` that users set."""

    mime_type: str = ""
    user_meta: dict[str, str] = {}


class OSSObject(Camel, frozen=True, kw_only=True):
    """The object; sizes in bytes.

    ``key`` is kept as it was sent: nothing in it is decoded.
    """

    key: str
    size: int = 0
    delta_size: int = 0
    e_tag: str = ""
    object_meta: OSSObjectMeta | None = None


class OSSDetail(Camel, frozen=True, kw_only=True):
    """Where it happened, and which rule of the trigger saw it."""

    bucket: OSSBucket
    object: OSSObject
    oss_schema_version: str = ""
    rule_id: str = ""


class OSSRequest(Camel, frozen=True, kw_only=True):
    """Who asked OSS for it."""

    source_ip_address: str = field(default="", name="sourceIPAddress")


class OSSResponse(Camel, frozen=True, kw_only=True):
    """What OSS answered."""

    request_id: str = ""


class OSSIdentity(Camel, frozen=True, kw_only=True):
    """The account that did it."""

    principal_id: str = ""


class OSSRecord(Camel, frozen=True, kw_only=True):
    """One thing that happened to one object: ``ObjectCreated:PutObject``."""

    event_name: str
    event_time: str
    oss: OSSDetail
    event_source: str = ""
    event_version: str = ""
    region: str = ""
    request_parameters: OSSRequest = OSSRequest()
    response_elements: OSSResponse = OSSResponse()
    user_identity: OSSIdentity = OSSIdentity()

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.oss.bucket.name

    @property
    def key(self) -> str:
        """The object's key, as it was sent."""
        return self.oss.object.key

    @property
    def when(self) -> datetime:
        """The time of the event, with its zone."""
        return timestamps.parse(self.event_time)


class OSSEvent(Camel, frozen=True, kw_only=True):
    """What an OSS trigger sends.

    ::

        {"events": [{"eventName": "ObjectCreated:PutObject", "region": "cn-shanghai",
                     "eventTime": "2026-04-21T12:46:37.000Z",
                     "oss": {"bucket": {"name": "photos"}, "object": {"key": "image/a.jpg"}}}]}

    A function that writes to the bucket it is triggered by calls itself: give the trigger a prefix.

    Source: FC's page "Formats of event for different triggers".
    """

    events: tuple[OSSRecord, ...]
