"""When time triggers fire: FC's expressions, time zones, and the changes of daylight saving."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from fcplug.cron import Schedule, UnknownZone, mistakes

NEW_YORK = "America/New_York"  # 2026: the clock skips 2:00 on 8 March, repeats 1:00 on 1 November


def times(expression: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    """Return the first times after a local time, each with its offset from UTC."""
    place = ZoneInfo(zone)
    at: float | None = datetime.fromisoformat(start).replace(tzinfo=place).timestamp()
    assert at is not None
    assert not list(mistakes(expression))
    schedule = Schedule(expression, at)
    found = []
    for _ in range(count):
        assert at is not None
        if (at := schedule.next(at)) is None:
            break
        found.append(datetime.fromtimestamp(at, place).isoformat())
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 30 4 * * *", ["2026-01-01T04:30:00", "2026-01-02T04:30:00"]),
        ("15 0/20 * * * *", ["2026-01-01T00:00:15", "2026-01-01T00:20:15"]),
        ("0 5/25 3 * * *", ["2026-01-01T03:05:00", "2026-01-01T03:30:00"]),
        ("0 0 9 ? * MON-FRI", ["2026-01-01T09:00:00", "2026-01-02T09:00:00"]),
        ("0 0 9 ? * fri-sun", ["2026-01-02T09:00:00", "2026-01-03T09:00:00"]),
        ("0 0 9 ? * 6-7", ["2026-01-03T09:00:00", "2026-01-04T09:00:00"]),
        ("0 0 9 ? * SUN-TUE", ["2026-01-04T09:00:00", "2026-01-05T09:00:00"]),
        ("0 0 9 5 * SAT", ["2026-01-03T09:00:00", "2026-01-05T09:00:00"]),  # either day is enough
        ("0 0 0 29 2 ?", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("0 0 0 31 2 ?", []),
        ("@every 90m", ["2026-01-01T01:30:00", "2026-01-01T03:00:00"]),
        ("CRON_TZ=Asia/Shanghai 0 30 4 * * *", ["2026-01-01T20:30:00", "2026-01-02T20:30:00"]),
        ("CRON_TZ=Etc/GMT+8 0 30 4 * * *", ["2026-01-01T12:30:00", "2026-01-02T12:30:00"]),
    ],
)
def test_a_trigger_fires_at_the_times_of_its_expression(
    expression: str, expected: list[str]
) -> None:
    assert times(expression, "2026-01-01T00:00:00", 2) == [f"{each}+00:00" for each in expected]


def test_a_time_that_the_clock_skips_is_at_the_end_of_the_gap() -> None:
    found = times(f"CRON_TZ={NEW_YORK} 0 30 2 * * *", "2026-03-07T00:00:00", 3, NEW_YORK)
    assert found == [
        "2026-03-07T02:30:00-05:00",
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]


def test_a_time_that_the_clock_shows_twice_fires_once() -> None:
    found = times(f"CRON_TZ={NEW_YORK} 7 30 1 * * *", "2026-10-31T12:00:00", 2, NEW_YORK)
    assert found == ["2026-11-01T01:30:07-04:00", "2026-11-02T01:30:07-05:00"]


def test_in_the_repeated_hour_a_time_that_has_passed_does_not_come_again() -> None:
    place = ZoneInfo(NEW_YORK)
    second = datetime(2026, 11, 1, 1, 10, tzinfo=place, fold=1).timestamp()
    found = Schedule(f"CRON_TZ={NEW_YORK} 0 30 1 * * *", second).next(second)
    assert found == datetime(2026, 11, 2, 1, 30, tzinfo=place).timestamp()


@pytest.mark.parametrize("minutes", ["*/20", "0/20", "0-59/20"])
@pytest.mark.parametrize("hours", ["*", "0-23", "0/1"])
@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_what_fires_each_hour_or_more_often_follows_the_real_time(
    minutes: str, hours: str, day: str
) -> None:
    expression = f"CRON_TZ={NEW_YORK} 0 {minutes} {hours} * * *"
    found = times(expression, f"{day}T00:00:00", 12, NEW_YORK)
    moments = [datetime.fromisoformat(each) for each in found]
    assert {b - a for a, b in pairwise(moments)} == {timedelta(minutes=20)}


@pytest.mark.parametrize("zone", ["Asia/Shanghay", "Nowhere", "Asia"])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    with pytest.raises(UnknownZone, match=f"this machine knows no time zone '{zone}'"):
        Schedule(f"CRON_TZ={zone} 0 0 4 * * *", 0)


def test_an_unknown_time_zone_has_the_one_that_was_probably_meant() -> None:
    with pytest.raises(UnknownZone, match=r"did you mean 'Asia/Shanghai'\?"):
        Schedule("CRON_TZ=Asia/Shanghay 0 0 4 * * *", 0)
