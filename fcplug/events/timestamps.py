"""Times as they are in events."""

import re
from datetime import datetime, timezone, tzinfo

import msgspec

_NAMED_ZONE = re.compile(r"(.*\d)([A-Za-z][A-Za-z_]+(?:/[A-Za-z_+-]+)*)")


def parse(text: str) -> datetime:
    """Return an RFC 3339 time; in UTC where it names no zone.

    EventBridge's pages also show times that end with a zone's name: ``16:04:46.149Asia/Shanghai``.

    Raises:
        ValueError: it is not a time, or the zone is not known.
    """
    time, zone = text, ""
    if named := _NAMED_ZONE.fullmatch(text):
        time, zone = named.groups()
    moment = msgspec.convert(time, datetime)
    if moment.tzinfo:
        return moment
    return moment.replace(tzinfo=_zone(zone) if zone else timezone.utc)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # such times are rare  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"the time zone '{name}' is not known here") from error


def from_epoch(seconds: float) -> datetime:
    """Return seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
