"""Make thumbnails: of the image that is the event, or of the objects that an OSS event names."""

from fcplug_thumbnail.errors import (
    AccessDenied,
    BadEvent,
    BadImage,
    BadKey,
    CredentialsRejected,
    MountMissing,
    ObjectMissing,
    SdkMissing,
    StorageError,
    StorageUnavailable,
    ThumbnailError,
    ThumbnailsFailed,
    WrongRegion,
)
from fcplug_thumbnail.handler import Thumbnail

__all__ = [
    "AccessDenied",
    "BadEvent",
    "BadImage",
    "BadKey",
    "CredentialsRejected",
    "MountMissing",
    "ObjectMissing",
    "SdkMissing",
    "StorageError",
    "StorageUnavailable",
    "Thumbnail",
    "ThumbnailError",
    "ThumbnailsFailed",
    "WrongRegion",
]
