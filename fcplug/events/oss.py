"""The event of an OSS trigger, for objects of a bucket."""

from datetime import datetime

from msgspec import field

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class OSSBucket(Camel, frozen=True, kw_only=True):
    """The bucket of the object."""

    name: str
    arn: str = ""
    owner_identity: str = ""
    virtual_bucket: str = ""


class OSSObjectMeta(Camel, frozen=True, kw_only=True):
    """Metadata in newer events: the type, and the user's ``x-oss-meta-...`` headers."""

    mime_type: str = ""
    user_meta: dict[str, str] = {}


class OSSObject(Camel, frozen=True, kw_only=True):
    """The object; sizes in bytes.

    ``key`` is not decoded.
    """

    key: str
    size: int = 0
    delta_size: int = 0
    e_tag: str = ""
    object_meta: OSSObjectMeta | None = None


class OSSDetail(Camel, frozen=True, kw_only=True):
    """The bucket, the object, and the rule of the trigger that matched."""

    bucket: OSSBucket
    object: OSSObject
    oss_schema_version: str = ""
    rule_id: str = ""


class OSSRequest(Camel, frozen=True, kw_only=True):
    """The request to OSS that caused the event."""

    source_ip_address: str = field(default="", name="sourceIPAddress")


class OSSResponse(Camel, frozen=True, kw_only=True):
    """The response of OSS."""

    request_id: str = ""


class OSSIdentity(Camel, frozen=True, kw_only=True):
    """The account that caused the event."""

    principal_id: str = ""


class OSSRecord(Camel, frozen=True, kw_only=True):
    """One event of one object, for example ``ObjectCreated:PutObject``."""

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
        """The name of the bucket."""
        return self.oss.bucket.name

    @property
    def key(self) -> str:
        """The key of the object, not decoded."""
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

    A function that writes to the bucket of its trigger calls itself: set a prefix in the trigger.

    Source: FC's page "Formats of event for different triggers".
    """

    events: tuple[OSSRecord, ...]
