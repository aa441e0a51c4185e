"""A dispatcher with a leader whose loop and requests a test controls."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fcplug.server.waitress.dispatcher import PendingRequest
from fcplug.server.waitress.leader_followers import LeaderFollowers
from support.waiting import wait_until

PATIENCE = 30.0


class Loop:
    """A loop whose turns hand over what a test sends."""

    def __init__(self, limit: int, *, answer_on_loop: bool = True) -> None:
        self.dispatcher = LeaderFollowers(
            limit, self.turn, self.wake, answer_on_loop=answer_on_loop
        )
        self.turns = 0
        self.turning: list[str] = []
        self.over = False
        self.keeper = threading.Thread(target=self.dispatcher.run_until, args=(lambda: self.over,))
        self._sent: queue.SimpleQueue[PendingRequest | None] = queue.SimpleQueue()
        self._one = threading.Lock()

    def send(self, task: PendingRequest) -> None:
        self._sent.put(task)

    def wake(self) -> None:
        self._sent.put(None)

    def end(self) -> None:
        self.over = True
        self.dispatcher.wakeup.notify()
        self.keeper.join(PATIENCE)
        assert not self.keeper.is_alive()

    def turn(self, patience: float) -> None:
        assert self._one.acquire(blocking=False), "two threads turn the loop"
        try:
            self.turns += 1
            self.turning = [threading.current_thread().name]
            self._take(min(patience, 0.02))
        finally:
            self._one.release()

    def _take(self, patience: float) -> None:
        try:
            if task := self._sent.get(timeout=patience):
                self.dispatcher.add_task(task)
        except queue.Empty:
            pass


class Work:
    """A request whose answering a test holds up."""

    def __init__(self, *, held: bool = False) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.thread = ""
        if not held:
            self.may_end.set()

    def service(self) -> None:
        self.thread = threading.current_thread().name
        self.begun.set()
        assert self.may_end.wait(PATIENCE)


@contextmanager
def turning(limit: int, *, answer_on_loop: bool = True) -> Iterator[Loop]:
    loop = Loop(limit, answer_on_loop=answer_on_loop)
    loop.keeper.start()
    yield loop
    loop.end()
    wait_until(loop.dispatcher.stop, PATIENCE)
    loop.dispatcher.close()


def answer(loop: Loop) -> Work:
    work = Work()
    loop.send(work)
    assert work.begun.wait(PATIENCE)
    wait_until(lambda: not loop.dispatcher.busy, PATIENCE)
    return work


def hold_the_leader(loop: Loop, make: Callable[[], Work] = lambda: Work(held=True)) -> Work:
    """Send quick requests until the leader answers one itself, then one that it is held by."""
    for _ in range(5000):
        leader = loop.turning
        if [answer(loop).thread] == leader == loop.turning:
            work = make()
            loop.send(work)
            assert work.begun.wait(PATIENCE)
            if [work.thread] == leader:
                return work
            work.may_end.set()
    pytest.fail("the leader never answers")


def answer_beside(loop: Loop) -> Work:
    work = Work()
    loop.send(work)
    assert work.begun.wait(PATIENCE)
    return work
