"""The event that a trigger of OSS sends for a change of one object."""

import hashlib
import mimetypes
import secrets
from datetime import datetime, timezone
from typing import NamedTuple

import msgspec

from fcplug.platform.model import BucketTrigger, FunctionConfig

_CREATED, _REMOVED = "oss:ObjectCreated:", "oss:ObjectRemoved:"
# what creates or removes a whole object, the most common first
_NAMES = {
    _CREATED: (
        "PutObject",
        "PostObject",
        "CopyObject",
        "CompleteMultipartUpload",
        "AppendObject",
        "PutSymlink",
    ),
    _REMOVED: ("DeleteObject", "DeleteObjects"),
}


class ObjectChange(NamedTuple):
    """A change of an object in a bucket.

    Attributes:
        removed: whether the object is gone; else it is new or has new content.
        size: bytes; of one that is gone 0.
        before: bytes until then; of a new one 0.
        etag: OSS's checksum of the content, empty for one that is gone.
        at: seconds since the epoch.
    """

    bucket: str
    key: str
    removed: bool
    size: int
    before: int
    etag: str
    at: float


def event_name(trigger: BucketTrigger, change: ObjectChange) -> str:
    """Return the name of the event that a trigger gets for a change, empty if it gets none.

    A folder does not show how an object was uploaded. So a trigger gets the usual name, or, if it
    does not ask for that, the first one that it asks for.
    """
    if trigger.bucket != change.bucket:
        return ""
    if not (change.key.startswith(trigger.prefix) and change.key.endswith(trigger.suffix)):
        return ""
    kind = _REMOVED if change.removed else _CREATED
    for name in _NAMES[kind]:
        if f"{kind}{name}" in trigger.events or f"{kind}*" in trigger.events:
            return f"{kind}{name}".removeprefix("oss:")
    return ""


def event(function: FunctionConfig, trigger: BucketTrigger, change: ObjectChange) -> bytes:
    """Return the event as FC hands it to the function."""
    rule = hashlib.sha1(f"{function.name}/{trigger.name}".encode(), usedforsecurity=False)
    at = datetime.fromtimestamp(change.at, timezone.utc)
    document = {
        "eventName": event_name(trigger, change),
        "eventSource": "acs:oss",
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        "eventVersion": "1.0",
        "oss": {
            "bucket": {
                "arn": f"acs:oss:{function.region}:{function.account_id}:{change.bucket}",
                "name": change.bucket,
                "ownerIdentity": function.account_id,
                "virtualBucket": "",
            },
            "object": {
                "deltaSize": change.size - change.before,
                "eTag": change.etag,
                "key": change.key,
                "objectMeta": {
                    "mimeType": mimetypes.guess_type(change.key)[0] or "application/octet-stream"
                },
                "size": change.size,
            },
            "ossSchemaVersion": "1.0",
            "ruleId": rule.hexdigest(),
        },
        "region": function.region,
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"requestId": secrets.token_hex(12).upper()},
        "userIdentity": {"principalId": function.account_id},
    }
    return msgspec.json.encode({"events": [document]})
