"""Who answers after a late answer of the leader: it matters whether the handler is to blame."""

import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.leading import PATIENCE, Loop, Work, answer_beside, hold_the_leader, turning
from support.waiting import wait_until

MANY = bytes(2**21)


class StarvedWork(Work):
    """A request whose thread could soon be answering, but others keep its processor."""

    def __init__(self, processor: int) -> None:
        super().__init__()
        self.ended = False
        self._processor = processor

    def service(self) -> None:
        super().service()
        os.sched_setaffinity(0, {self._processor})  # of this thread only
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        zlib.crc32(MANY)  # without the GIL, and more than its share
        time.sleep(0.001)
        self.ended = True


@contextmanager
def neighbour(processor: int) -> Iterator[None]:
    """Run a process that keeps this processor busy."""
    code = (
        f"import os; os.sched_setaffinity(0, {{{processor}}}); print(flush=True)\nwhile True: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_after_a_late_answer_others_are_handed_over() -> None:
    # on a busy machine the leader may be late before it sleeps, so it may need a second trial
    with turning(2) as loop:
        wait_until(lambda: who_answers_beside_late_leader(loop) == "follower", PATIENCE)


def who_answers_beside_late_leader(loop: Loop) -> str:
    work = hold_the_leader(loop)
    wait_until(lambda: loop.turning != [work.thread], PATIENCE)
    who = "leader" if [answer_beside(loop).thread] == loop.turning else "follower"
    work.may_end.set()
    wait_until(lambda: not loop.dispatcher.busy, PATIENCE)
    return who


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what a thread does")
def test_an_answer_that_is_late_for_want_of_a_processor_leaves_others_to_the_leader() -> None:
    # the system may let the thread run just when it is watched, so one trial says too little
    trials = set()
    for _ in range(10):
        trials.add(leader_answers_beside_starved_thread())
        if "leader" in trials:
            return
    if trials == {""}:
        pytest.skip("this system lets no thread wait for long")
    pytest.fail("the leader answers no more")


def leader_answers_beside_starved_thread() -> str:
    """Return which thread answers beside one that waits for a processor; "" if none had to."""
    processor = min(os.sched_getaffinity(0))
    with turning(2) as loop, neighbour(processor):
        work = StarvedWork(processor)
        hold_the_leader(loop, lambda: work)
        wait_until(lambda: work.ended or loop.turning != [work.thread], PATIENCE)
        if work.ended:
            return ""
        return "leader" if [answer_beside(loop).thread] == loop.turning else "follower"
