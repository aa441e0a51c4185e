"""Which thread turns the loop, which ones answer, and who takes over from a late answer."""

import threading
from collections.abc import Iterator

import pytest

from fcplug.server.waitress.leader_followers import LeaderFollowers
from fcplug.server.waitress.wakeup import Wakeup
from support.leading import PATIENCE, Loop, Work, answer, answer_beside, hold_the_leader, turning
from support.waiting import wait_until


@pytest.fixture
def loop() -> Iterator[Loop]:
    with turning(2) as loop:
        yield loop


def wait_for_turns(loop: Loop, count: int = 3) -> None:
    before = loop.turns
    wait_until(lambda: loop.turns >= before + count, PATIENCE)


def test_the_first_requests_are_answered_by_followers(loop: Loop) -> None:
    for _ in range(20):
        work = answer(loop)
        assert [work.thread] != loop.turning


def test_with_its_own_answers_off_the_leader_hands_every_request_to_another_thread() -> None:
    with turning(2, answer_on_loop=False) as loop:
        for _ in range(500):
            leader = loop.turning
            assert [answer(loop).thread] != leader


def test_a_late_answer_of_the_leader_gives_the_loop_to_another(loop: Loop) -> None:
    work = hold_the_leader(loop)
    wait_for_turns(loop)
    assert loop.turning != [work.thread]
    assert [answer_beside(loop).thread] != [work.thread]
    work.may_end.set()
    wait_until(lambda: not loop.dispatcher.busy, PATIENCE)


def test_the_loop_turns_however_many_answers_hang(loop: Loop) -> None:
    works = [hold_the_leader(loop)]
    for _ in range(4):
        works.append(Work(held=True))
        loop.send(works[-1])
    wait_until(lambda: loop.dispatcher.waiting == 3, PATIENCE)
    wait_for_turns(loop)
    assert loop.dispatcher.answering == 2
    for work in works:
        work.may_end.set()
    wait_until(lambda: not loop.dispatcher.busy, PATIENCE)
    assert all(work.begun.is_set() for work in works)


def test_with_one_answer_at_a_time_the_loop_turns_beside_it() -> None:
    with turning(1) as loop:
        held = hold_the_leader(loop)
        following = Work()
        loop.send(following)
        wait_until(lambda: loop.dispatcher.waiting == 1, PATIENCE)
        wait_for_turns(loop)
        assert not following.begun.is_set()
        held.may_end.set()
        assert following.begun.wait(PATIENCE)


class Endless:
    """A connection whose client has sent a line of requests that gets no shorter."""

    def __init__(self, loop: Loop) -> None:
        self.over = False
        self.threads: set[str] = set()
        self._dispatcher = loop.dispatcher

    def service(self) -> None:
        self.threads.add(threading.current_thread().name)
        if not self.over:
            self._dispatcher.add_task(self)


def test_the_loop_turns_though_the_queue_never_gets_empty(loop: Loop) -> None:
    wait_until(lambda: [answer(loop).thread] == loop.turning, PATIENCE)
    endless = Endless(loop)
    loop.send(endless)
    wait_until(lambda: set(loop.turning) & endless.threads, PATIENCE)
    wait_for_turns(loop, 20)
    endless.over = True
    wait_until(lambda: not loop.dispatcher.busy, PATIENCE)


def test_an_exception_in_a_turn_ends_run_until() -> None:
    def turn(_: float) -> None:
        raise OSError("no loop")

    dispatcher = LeaderFollowers(1, turn, lambda: None)
    with pytest.raises(OSError, match="no loop"):
        dispatcher.run_until(lambda: False)
    wait_until(dispatcher.stop, PATIENCE)
    dispatcher.close()


def test_the_caller_may_turn_the_loop_afterwards_though_an_answer_hangs() -> None:
    with turning(2) as loop:
        held = hold_the_leader(loop)
        loop.end()
        turns = loop.turns
        loop.turn(0)  # no other thread is in it
        assert loop.turns == turns + 1
        held.may_end.set()


def test_a_notification_ends_one_wait_and_never_blocks() -> None:
    wakeup = Wakeup()
    for _ in range(100_000):  # more than a pipe holds
        wakeup.notify()
    for _ in range(100):
        wakeup.wait(0)
    wakeup.notify()
    wakeup.wait(PATIENCE)
    wakeup.close()
