"""Make thumbnails: of the image that is the event, or of the objects that an OSS event names."""

from fcplug_thumbnail.errors import (
    BadEvent,
    BadImage,
    BadKey,
    MountMissing,
    ThumbnailError,
    ThumbnailsFailed,
)
from fcplug_thumbnail.handler import Thumbnail

__all__ = [
    "BadEvent",
    "BadImage",
    "BadKey",
    "MountMissing",
    "Thumbnail",
    "ThumbnailError",
    "ThumbnailsFailed",
]
