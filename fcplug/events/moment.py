"""Times as events tell them."""

from datetime import datetime, timezone

import msgspec


def of_text(text: str) -> datetime:
    """Return an RFC 3339 time; in UTC where it names no zone.

    Raises:
        ValueError: it is none.
    """
    moment = msgspec.convert(text, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def of_epoch(seconds: float) -> datetime:
    """Return seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
