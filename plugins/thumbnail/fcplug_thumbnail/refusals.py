"""An error of the SDK to one of this package: what failed, where, and the likely fix."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from alibabacloud_oss_v2 import exceptions

from fcplug_thumbnail.errors import (
    AccessDenied,
    CredentialsRejected,
    ObjectMissing,
    StorageError,
    StorageUnavailable,
    WrongRegion,
)
from fcplug_thumbnail.location import Location
from fcplug_thumbnail.oss import ObjectEvent

_PERMISSIONS = {"read": "oss:GetObject", "write": "oss:PutObject"}
_RENEWED = "FC renews them for each call, so use those of the call, and repeat no old call"
_BUSY = (408, 429)


class OutOfTime(Exception):  # noqa: N818 - it becomes a StorageUnavailable
    """The call has no time left for a request."""


class Unreadable(Exception):  # noqa: N818 - it becomes a StorageUnavailable
    """The body broke or was damaged, as often as it may."""


class Attempt(NamedTuple):
    """What was tried, and the credentials that no text may show."""

    verb: str
    item: ObjectEvent
    location: Location
    secrets: tuple[str, str, str]

    @property
    def where(self) -> str:
        """The host of OSS."""
        return urlsplit(self.location.url).netloc


_Reason = tuple[type[StorageError], str]

_REASONS: Mapping[str, _Reason] = {
    "NoSuchKey": (
        ObjectMissing,
        "there is no such object: it was deleted or renamed after the event, so do not retry",
    ),
    "NoSuchBucket": (ObjectMissing, "there is no such bucket: correct the trigger or the endpoint"),
    "SymlinkTargetNotExist": (ObjectMissing, "it is a link to an object that does not exist"),
    "SecurityTokenExpired": (CredentialsRejected, f"the credentials have expired: {_RENEWED}"),
    "InvalidAccessKeyId": (
        CredentialsRejected,
        f"OSS does not know the credentials, or they have expired: {_RENEWED}",
    ),
    "InvalidSecurityToken": (
        CredentialsRejected,
        f"the security token does not belong to the access key: {_RENEWED}",
    ),
    "SignatureDoesNotMatch": (
        CredentialsRejected,
        f"the access key secret does not belong to the access key id: {_RENEWED}",
    ),
    "InvalidObjectState": (
        StorageError,
        "it is archived: restore it first, or let the trigger leave out archived objects",
    ),
}


def service_code(error: Exception) -> str:
    """Return the code of OSS in an error of the SDK, or an empty text."""
    inner = error.unwrap() if isinstance(error, exceptions.OperationError) else error
    return str(inner.code) if isinstance(inner, exceptions.ServiceError) else ""


def explained(error: Exception, attempt: Attempt, sent: int) -> StorageError:
    """Return the error to raise.

    Texts of the SDK are not in it: they may hold headers, and so the security token.

    Args:
        error: what the SDK raised.
        attempt: what was tried.
        sent: how many requests were sent.
    """
    inner = error.unwrap() if isinstance(error, exceptions.OperationError) else error
    if isinstance(inner, exceptions.ServiceError):
        kind, why = _of_service(inner, attempt)
        facts = f"{inner.code}, status {inner.status_code}, request {inner.request_id}"
    else:
        kind, why = _of_client(inner, sent)
        facts = type(_innermost(inner)).__name__
    text = f"{attempt.item.url}: cannot {attempt.verb} it at {attempt.where} ({facts}): {why}"
    for secret in filter(None, attempt.secrets):  # OSS may have repeated what it rejects
        text = text.replace(secret, "***")
    return kind(text)


def _of_service(error: Any, attempt: Attempt) -> _Reason:
    if error.status_code >= 500 or error.status_code in _BUSY:
        return StorageUnavailable, "OSS has a problem or is too busy: retry later"
    fields: Mapping[str, str] = error.error_fileds or {}
    if other := fields.get("Endpoint"):
        return WrongRegion, f"the bucket is at {other}: set region to that of the bucket"
    if error.code == "InvalidArgument" and "region" in (error.message or ""):
        region = attempt.location.region
        return WrongRegion, f"the bucket is not in {region!r}: set region to that of the bucket"
    if error.code == "AccessDenied":
        permission, item = _PERMISSIONS[attempt.verb], attempt.item
        resource = f"acs:oss:*:*:{item.bucket}/{item.key}"
        return AccessDenied, f"allow {permission} on {resource} in a policy of the function's role"
    if error.code == "RequestTimeTooSkewed":
        now = datetime.now(timezone.utc)
        return StorageError, (
            f"the clock here is more than 15 minutes from that of OSS: it says {now:%F %T} UTC, "
            "so set it"
        )
    return _REASONS.get(error.code) or (StorageError, error.message or "")


def _of_client(error: Exception, sent: int) -> _Reason:
    if isinstance(error, OutOfTime):
        return StorageUnavailable, (
            f"the call has no time left after {sent} requests: raise its timeout or retry later"
        )
    if isinstance(error, exceptions.CredentialsBaseError):
        return CredentialsRejected, "the call has no credentials: give the function a role"
    if isinstance(error, Unreadable | exceptions.InconsistentError):
        return StorageUnavailable, f"it arrives incomplete or damaged, after {sent} requests: retry"
    if isinstance(error, exceptions.RequestError | exceptions.ResponseError):
        return StorageUnavailable, (
            f"no answer after {sent} requests: retry, or correct the setting endpoint; an internal "
            "endpoint answers only in its region"
        )
    return StorageError, "the SDK cannot make the request, or does not understand the answer"


def _innermost(error: Exception) -> BaseException:
    """Return the first cause: its class says most."""
    cause: BaseException = error
    if isinstance(error, exceptions.RequestError | exceptions.ResponseError):
        cause = error.unwrap() or error
    for _ in range(5):
        found = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(found, BaseException):
            break
        cause = found
    return cause
