"""Which endpoint of OSS a call uses: of the settings, else of the region of the call."""

import re
from typing import NamedTuple

from fcplug_thumbnail.errors import WrongRegion

ENDPOINTS = ("auto", "internal", "public")
"""What the setting ``endpoint`` may be, besides a URL."""

_REGION = re.compile(r"[a-z0-9-]{2,40}")
_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")


class Location(NamedTuple):
    """A region's id, and the URL of OSS there."""

    region: str
    url: str


def is_region(text: str) -> bool:
    """Return whether a text can be a region's id, such as ``cn-hangzhou``."""
    return bool(_REGION.fullmatch(text))


def is_endpoint(text: str) -> bool:
    """Return whether the setting ``endpoint`` may be this."""
    return text in ENDPOINTS or bool(_URL.fullmatch(text))


def locate(endpoint: str, region: str, of_call: str, *, on_fc: bool) -> Location:
    """Return where OSS is.

    ``auto`` is the internal endpoint on FC, where the bucket is in the region of the function, and
    the public one elsewhere. The region in an event is not used: who may send events must not
    choose where the credentials of the call go.

    Args:
        endpoint: one of ``ENDPOINTS``, or a URL.
        region: of the settings; may be empty.
        of_call: the region of the call's context; may be empty.
        on_fc: whether this is an instance of Function Compute.

    Raises:
        WrongRegion: no region is known, or that of the call cannot be one.
    """
    chosen = region or of_call
    if not is_region(chosen):
        raise WrongRegion(
            f"{chosen!r} is not the id of a region: set region to that of the bucket, such as "
            "cn-hangzhou"
            if chosen
            else "the call has no region: set region to that of the bucket, such as cn-hangzhou"
        )
    if endpoint not in ENDPOINTS:
        return Location(chosen, endpoint)
    internal = endpoint == "internal" or (endpoint == "auto" and on_fc and chosen == of_call)
    return Location(chosen, f"https://oss-{chosen}{'-internal' if internal else ''}.aliyuncs.com")
