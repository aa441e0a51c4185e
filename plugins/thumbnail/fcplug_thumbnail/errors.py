"""The errors of the thumbnail handler; the class is the ``errorType`` that a caller reads.

::

    ThumbnailError
    ├── BadEvent          JSON that is not an OSS event
    ├── BadImage          bytes that no thumbnail can be made of
    ├── BadKey            an object that is no file inside the mount, or that no URL can name
    ├── MountMissing      no folder to find objects in
    ├── SdkMissing        no mount, and no SDK to reach OSS without one
    ├── StorageError      OSS rejects a request
    │   ├── AccessDenied         the role of the function lacks a permission
    │   ├── CredentialsRejected  missing, expired, or not of one another
    │   ├── ObjectMissing        no such object or bucket
    │   ├── StorageUnavailable   no answer, or none in time: a retry may help
    │   └── WrongRegion          the bucket is elsewhere, or its region is not known
    └── ThumbnailsFailed  some objects of an event failed; the others are done
"""

from collections.abc import Mapping, Sequence


class ThumbnailError(Exception):
    """Base of the errors that this handler raises on purpose."""


class BadEvent(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """The event is JSON, but not an OSS event."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}: send an image, or an OSS event with a list 'events' whose items have the "
            "strings eventName, oss.bucket.name and oss.object.key"
        )


class BadImage(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """The bytes are of no known format, truncated, damaged or too large."""

    def __init__(self, source: str, size: int, why: str) -> None:
        super().__init__(f"{source} ({size} bytes): {why}")


class BadKey(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """A bucket or key does not name a file inside the mount, or an object that has a URL."""


class MountMissing(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """What the setting ``mount`` names is not a folder."""


class SdkMissing(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """Without a mount OSS is reached by its SDK, which is not installed."""


class StorageError(ThumbnailError):
    """OSS rejects a request, for a reason that has no class of its own."""


class AccessDenied(StorageError):  # noqa: N818 - the name is the errorType that callers read
    """The credentials are good, and do not allow the request."""


class CredentialsRejected(StorageError):  # noqa: N818 - the name is the errorType that callers read
    """The call has no credentials, or OSS does not accept them."""


class ObjectMissing(StorageError):  # noqa: N818 - the name is the errorType that callers read
    """There is no such object, or no such bucket."""


class StorageUnavailable(StorageError):  # noqa: N818 - the name is the errorType that callers read
    """OSS does not answer, answers that it cannot, or what it sends arrives damaged."""


class WrongRegion(StorageError):  # noqa: N818 - the name is the errorType that callers read
    """The bucket is in another region, or the region is not known."""


class ThumbnailsFailed(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """Some objects of an event failed, after all were tried."""

    def __init__(self, failed: Mapping[str, Exception], done: Sequence[str]) -> None:
        reasons = "; ".join(
            f"{source} ({type(error).__name__}: {error})" for source, error in failed.items()
        )
        super().__init__(
            f"{len(failed)} of the event's objects failed: {reasons}; "
            f"written: {', '.join(done) or 'none'}"
        )
