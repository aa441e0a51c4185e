"""FC's time expressions: what FC takes, and when a time trigger fires.

The rules of FC are here. The arithmetic of times, with the changes of daylight saving, is that of
the library cronsim.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo
from typing import NamedTuple

from fcplug.errors import FcplugError, did_you_mean

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class _Field(NamedTuple):
    """A field of a time expression after the seconds; ``open``: ``?`` may stand for ``*``."""

    what: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    open: bool = False


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of the month", 1, 31, open=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 1, 7, _DAYS, open=True),
)
_EXAMPLE = "'0 30 4 * * *' is 04:30 each day"
_EVERY = r"@every\s+([1-9][0-9]{0,5})m"
_ZONE = "CRON_TZ="
# compiled when the first is needed: the check of most expressions needs none, at a cold start
_PART = r"(?:(\*|\?)|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,4}))?"


class UnknownZone(FcplugError):  # noqa: N818 - it is a fact about an expression
    """The time zone of an expression is not one that this machine knows."""

    def __init__(self, name: str) -> None:
        from zoneinfo import available_timezones  # noqa: PLC0415 - nothing that serves needs it

        known = available_timezones()
        fix = did_you_mean(name, known) if known else ": pip install tzdata"
        super().__init__(f"this machine knows no time zone '{name}'{fix}")


def mistakes(expression: str) -> Iterator[str]:
    """Yield what keeps FC from taking an expression; its time zone is not looked up."""
    words = expression.split()
    if words and words[0].startswith("@"):
        if not re.fullmatch(_EVERY, expression.strip()):
            yield f"expected '@every' and whole minutes, such as '@every 5m', got '{expression}'"
        return
    if words and words[0].upper().startswith((_ZONE, "TZ=")):
        zone = words.pop(0)
        if not re.fullmatch(rf"{_ZONE}[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", zone):
            yield f"expected a time zone such as {_ZONE}Asia/Shanghai, got '{zone}'"
    if len(words) != 6:
        missing = ": the first are the seconds" if len(words) == 5 else ""
        yield f"expected 6 fields, got {len(words)}{missing}; {_EXAMPLE}"
        return
    if not _is_number(words[0], 0, 59):
        yield f"seconds: FC takes one number from 0 to 59, got '{words[0]}'"
    for field, word in zip(_FIELDS, words[1:], strict=True):
        if wrong := _mistake(word, field):
            yield f"{field.what}: {wrong}"


def _mistake(word: str, field: _Field) -> str:
    low, high, names = field.low, field.high, field.names
    for part in word.split(","):
        if part == "*" or _is_number(part, low, high):
            continue
        found = re.fullmatch(_PART, part)
        if not found or (found[1] == "?" and (not field.open or found[4] or "," in word)):
            return f"'{part}' is not a number, a range, a list or a step of FC's cron"
        first, last = (_number(each, low, names) for each in found.group(2, 3))
        for number, given in ((first, found[2]), (last, found[3])):
            if given and (number is None or not low <= number <= high):
                named = f", or {names[0]} to {names[-1]}" if names else ""
                return f"expected {low} to {high}{named}, got '{given}'"
        is_sunday = (found[2] or "").upper() == "SUN"
        if first is not None and last is not None and last < first and not is_sunday:
            return f"the range '{part}' runs backwards"
        if found[4] and not int(found[4]):
            return f"the step of '{part}' is 0"
    return ""


def _is_number(text: str, low: int, high: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 3 and low <= int(text) <= high


def _number(given: str | None, low: int, names: tuple[str, ...]) -> int | None:
    if given is None:
        return None
    if given.isdecimal():
        return int(given)
    return names.index(given.upper()) + low if given.upper() in names else None


class Schedule:
    """When a time trigger fires.

    At the start of daylight saving a time that the clock skips counts as the end of the gap. At
    its end a time that the clock shows twice counts once. What fires each hour or more often
    follows the real time.

    Args:
        expression: one without ``mistakes``.
        start: seconds since the epoch, from which ``@every`` counts.

    Raises:
        UnknownZone: its time zone is not known here.
    """

    def __init__(self, expression: str, start: float) -> None:
        self._start = start
        self._period, self._second, self._rest = 0, 0, ""
        self._zone: tzinfo = timezone.utc
        if every := re.fullmatch(_EVERY, expression.strip()):
            self._period = int(every[1]) * 60
            return
        words = expression.split()
        if words[0].startswith(_ZONE):
            self._zone = _zone(words.pop(0).removeprefix(_ZONE))
        self._second = int(words[0])
        minutes, hours, *others, days = (word.upper().replace("?", "*") for word in words[1:])
        # For cronsim Sunday is 0 and 7, and FC's ranges may begin or end with it. A star in the
        # first two fields says to it that the trigger fires each hour or more often.
        minutes, hours = _starred(minutes, 59), _starred(hours, 23)
        self._rest = " ".join([minutes, hours, *others, days.replace("-SUN", "-7")])

    def next(self, after: float) -> float | None:
        """Return the first time after a time, None if there is none in the next fifty years.

        Both are seconds since the epoch.
        """
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - of the extra fcplug[tools]

        if self._period:
            return self._start + ((after - self._start) // self._period + 1) * self._period
        minute = datetime.fromtimestamp(after - self._second, self._zone)
        try:
            # of five fields, so that cronsim minds daylight saving as Debian's cron does
            for moment in CronSim(self._rest, minute):
                if (found := moment.timestamp() + self._second) > after:
                    return found
        except CronSimError:  # such as 31 February
            return None
        return None


def _starred(word: str, high: int) -> str:
    """Return a field with a star where it names all numbers from 0, as in ``0/5``."""
    return re.sub(rf"^0+(?=/)|^0+-{high}(?=/|$)", "*", word)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - nothing that serves needs it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # it is missing, malformed, or a folder
        raise UnknownZone(name) from None
