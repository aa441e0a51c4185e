"""The errors of the thumbnail handler; the class is the ``errorType`` that a caller reads.

::

    ThumbnailError
    ├── BadEvent          JSON that is not an OSS event
    ├── BadImage          bytes that no thumbnail can be made of
    ├── BadKey            an object that is no file inside the mount
    ├── MountMissing      no folder to find objects in
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
    """A bucket or key does not name a file inside the mount."""


class MountMissing(ThumbnailError):  # noqa: N818 - the name is the errorType that callers read
    """The setting ``mount`` is not set, or what it names is not a folder."""


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
