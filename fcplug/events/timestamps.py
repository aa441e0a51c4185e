"""The times in events."""

import re
from datetime import datetime, timezone, tzinfo

import msgspec

_NAMED_ZONE = re.compile(r"(.*\d)([A-Za-z][A-Za-z_]+(?:/[A-Za-z_+-]+)*)")


def parse(text: str) -> datetime:
    """Parse an RFC 3339 time; without a time zone it is UTC.

    The pages of EventBridge also show times that end with the name of a zone:
    ``16:04:46.149Asia/Shanghai``.

    Raises:
        ValueError: the text is not a time, or its zone is unknown.
    """
    time, zone = text, ""
    if named := _NAMED_ZONE.fullmatch(text):
        time, zone = named.groups()
    moment = msgspec.convert(time, datetime)
    if moment.tzinfo:
        return moment
    return moment.replace(tzinfo=_zone(zone) if zone else timezone.utc)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # seldom needed  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"the time zone '{name}' is not known on this system") from error


def from_epoch(seconds: float) -> datetime:
    """Convert seconds since 1970 to a time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
