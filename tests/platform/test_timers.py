"""Time triggers: fired when they are due, missed while the machine sleeps, kept over an edit."""

import threading
from collections.abc import Iterator

import pytest

from fcplug.platform.model import TimerTrigger
from fcplug.platform.timers import Timers
from support.waiting import wait_until

EVERY = TimerTrigger(function="f", name="every", expression="@every 1m")
HOURLY = TimerTrigger(function="f", name="hourly", expression="0 0 * * * *")


class Watched:
    """Timers whose clock is set by hand, and what they did."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0  # a full hour
        self.fired: list[tuple[str, float]] = []
        self.missed: list[tuple[str, float]] = []
        self.seen: list[float] = []  # what the thread of the timers has read last
        self.timers = Timers(
            lambda trigger, due: self.fired.append((trigger.name, due)),
            lambda trigger, due: self.missed.append((trigger.name, due)),
            self._clock,
        )

    def _clock(self) -> float:
        if threading.current_thread().name == "fcplug-timers":
            self.seen = [*self.seen[-1:], self.now]
        return self.now

    def move(self, seconds: float, *triggers: TimerTrigger) -> None:
        """Move the clock, and wait until the timers have looked at it and fired."""
        self.now += seconds
        self.timers.replace(triggers)
        wait_until(lambda: self.seen == [self.now] * 2)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.timers.close()


def test_a_trigger_fires_when_it_is_due_with_the_time_it_was_due(watched: Watched) -> None:
    start = watched.now
    watched.move(0, EVERY, HOURLY)
    watched.move(61, EVERY, HOURLY)
    watched.move(60, EVERY, HOURLY)
    assert watched.fired == [("every", start + 60), ("every", start + 120)]


def test_an_edit_of_other_triggers_keeps_the_time_of_a_trigger(watched: Watched) -> None:
    start = watched.now
    watched.move(0, EVERY)
    watched.move(30, EVERY, HOURLY)
    watched.move(31, HOURLY, EVERY)
    assert watched.fired == [("every", start + 60)]


def test_times_that_pass_while_the_machine_sleeps_are_not_made_up(watched: Watched) -> None:
    start = watched.now
    watched.move(0, EVERY)
    watched.move(3600 + 30, EVERY)
    watched.move(30, EVERY)
    assert watched.missed == [("every", start + 60)]
    assert watched.fired == [("every", start + 3660)]


def test_a_clock_that_is_set_back_lets_nothing_fire_twice(watched: Watched) -> None:
    watched.move(0, HOURLY)
    watched.move(3600, HOURLY)
    watched.move(-300, HOURLY)
    watched.move(300, HOURLY)
    watched.move(0, HOURLY, EVERY)
    watched.move(61, HOURLY, EVERY)
    assert [name for name, _ in watched.fired] == ["hourly", "every"]


def test_a_clock_that_was_far_ahead_does_not_stop_a_trigger_for_as_long(watched: Watched) -> None:
    start = watched.now
    watched.move(10 * 86400, HOURLY)
    watched.move(-10 * 86400, HOURLY)
    watched.move(3600, HOURLY)
    assert watched.fired == [("hourly", start + 3600)]


def test_a_trigger_that_is_gone_fires_no_more(watched: Watched) -> None:
    watched.move(0, EVERY)
    watched.move(30, HOURLY)
    watched.move(3571, HOURLY)
    assert [name for name, _ in watched.fired] == ["hourly"]
