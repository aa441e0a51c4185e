"""Steps run one at a time on one thread, and the last one always runs."""

import contextlib
import signal
import threading
import time

import pytest

from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.stepper import SteppedTask
from fcplug.concurrency.threads import ThreadPool
from fcplug.errors import FunctionTimeoutError

PATIENCE = 20.0  # seconds


class Work:
    """Steps whose ends are noted."""

    def __init__(self, seconds: float = PATIENCE, at_end: BaseException | None = None) -> None:
        self.said: list[str] = []
        self.over = threading.Event()
        self.at_end = at_end
        self.threads = ThreadPool(lambda: None)
        self.deadlines = DeadlineExecutor("f", self.threads)
        self.steps = SteppedTask(
            self.deadlines,
            time.monotonic() + seconds,
            cancel=lambda: self.said.append("cancelled"),
            at_end=self.end,
            on_end=self.leave,
        )

    def leave(self) -> None:
        self.said.append("left")
        self.over.set()

    def end(self) -> None:
        self.said.append(f"ended in {threading.current_thread().name}")
        if self.at_end:
            raise self.at_end


def test_every_step_is_done_on_one_thread() -> None:
    work = Work()
    names = [work.steps.do(lambda: threading.current_thread().name) for _ in range(3)]
    work.steps.end()
    work.steps.end()
    assert names == ["deadline-1"] * 3
    assert work.said == ["ended in deadline-1", "left"]
    assert work.threads.idle == 1


def test_an_error_of_a_step_ends_nothing() -> None:
    work = Work()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            work.steps.do(lambda: 1 // 0)
    assert work.steps.do(lambda: 3) == 3
    work.steps.end()


def test_an_error_of_the_last_step_is_raised_where_it_was_ended() -> None:
    work = Work(at_end=ValueError("not closed"))
    with pytest.raises(ValueError, match="not closed"):
        work.steps.end()
    assert work.said[-1] == "left"


def test_a_step_that_is_late_is_the_last() -> None:
    work, gate = Work(1.0), threading.Event()
    with pytest.raises(FunctionTimeoutError, match="function 'f' timed out"):
        work.steps.do(lambda: gate.wait(PATIENCE))
    assert (work.said, work.deadlines.abandoned) == (["cancelled"], 1)
    work.steps.end()
    with pytest.raises(FunctionTimeoutError):
        work.steps.do(lambda: None)
    gate.set()
    assert work.over.wait(PATIENCE)
    assert work.said == ["cancelled", "ended in deadline-1", "left"]


def test_a_deadline_between_two_steps_ends_the_work() -> None:
    work = Work(1.0)
    with contextlib.suppress(FunctionTimeoutError):  # a busy machine may be late already
        work.steps.do(lambda: None)
    time.sleep(1.1)
    with pytest.raises(FunctionTimeoutError):
        work.steps.do(lambda: work.said.append("never"))
    assert work.over.wait(PATIENCE)
    assert work.said == ["cancelled", "ended in deadline-1", "left"]


def test_an_interrupted_step_is_abandoned() -> None:
    work, gate = Work(), threading.Event()

    def interrupt(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(InterruptedError):
            work.steps.do(lambda: gate.wait(PATIENCE))
    finally:
        signal.signal(signal.SIGALRM, before)
    gate.set()
    assert work.over.wait(PATIENCE)
    assert work.said == ["cancelled", "ended in deadline-1", "left"]
