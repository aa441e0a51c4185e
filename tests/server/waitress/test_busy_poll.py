"""When the loop waits for the next event awake, and when it sleeps."""

import socket
import threading

import pytest

from fcplug.server.waitress.busy_poll import BusyPoll
from fcplug.server.waitress.interest import Interests

LONG = 60.0
FIRST_PAUSE = 64  # waits that sleep before the first one that does not


class Sockets:
    """A selector's ``select``: ``events`` come at the next look, ``later`` at a second one."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.later: list[str] = []

    def select(self, timeout: float) -> list[str]:
        self.looks.append(timeout)
        return self.later if timeout or len(self.looks) > 1 else []

    def wait(self, poll: BusyPoll, timeout: float = LONG, *, may_pay: bool = True) -> list[float]:
        """Wait once; return the seconds that each look was allowed to sleep."""
        self.looks = []
        poll.wait(timeout, may_pay=may_pay)
        return self.looks


def opened(sockets: Sockets, *, enabled: bool = True) -> BusyPoll:
    """Return a poll that has slept as often as it does at first."""
    poll = BusyPoll(sockets.select, enabled=enabled)
    for _ in range(FIRST_PAUSE):
        assert sockets.wait(poll) == [LONG]
    return poll


def test_an_event_that_comes_soon_is_found_without_sleep() -> None:
    sockets = Sockets()
    poll = opened(sockets)
    sockets.later = ["event"]
    for _ in range(1000):
        assert sockets.wait(poll) == [0, 0]


def test_it_sleeps_after_a_moment_and_stays_asleep_when_nothing_comes_soon() -> None:
    sockets = Sockets()
    poll = opened(sockets)
    for _ in range(5):
        *awake, last = sockets.wait(poll)
        assert (set(awake), last) == ({0}, LONG)
    for _ in range(2 * FIRST_PAUSE):
        assert sockets.wait(poll) == [LONG]
    assert sockets.wait(poll)[0] == 0


@pytest.mark.parametrize(("timeout", "may_pay"), [(0.0, True), (LONG, False)])
def test_a_wait_that_cannot_pay_is_one_look(timeout: float, may_pay: bool) -> None:
    sockets = Sockets()
    poll = opened(sockets)
    assert sockets.wait(poll, timeout, may_pay=may_pay) == [timeout]


def test_it_always_sleeps_when_it_is_off() -> None:
    sockets = Sockets()
    poll = opened(sockets, enabled=False)
    assert sockets.wait(poll) == [LONG]


def test_events_of_real_sockets_are_found_awake_and_asleep() -> None:
    here, there = socket.socketpair()
    interests = Interests()
    with here, there:
        there.setblocking(False)
        interests.add(there.fileno(), "there")
        for number in range(2 * FIRST_PAUSE):
            timer = threading.Timer(0.0005 * (number % 3), here.send, [b"x"])
            timer.start()
            (found,) = interests.wait(LONG, may_pay=True)
            assert found[0].data == "there"
            assert there.recv(10) == b"x"
            timer.join()
        interests.close()
