"""The threads that answer requests: how many, in which order, and that none is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fcplug.server.waitress.dispatcher import Dispatcher
from support.waiting import wait_until

PATIENCE = 30.0


class Work:
    """A request whose answering a test holds up."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.thread = ""

    def service(self) -> None:
        self.thread = threading.current_thread().name
        self.begun.set()
        assert self.may_end.wait(PATIENCE)


class Failing:
    """A request whose answering fails."""

    def service(self) -> None:
        raise SystemExit(3)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    dispatcher = Dispatcher("test", 2)
    yield dispatcher
    wait_until(lambda: not dispatcher.busy, PATIENCE)
    wait_until(dispatcher.stop, PATIENCE)


def started() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("test-")]


def add(dispatcher: Dispatcher) -> Work:
    work = Work()
    dispatcher.add_task(work)
    return work


def test_no_thread_is_started_before_it_is_needed(dispatcher: Dispatcher) -> None:
    assert started() == []
    for _ in range(5):
        work = add(dispatcher)
        assert work.begun.wait(PATIENCE)
        work.may_end.set()
        wait_until(lambda: not dispatcher.busy, PATIENCE)
    assert started() == ["test-0"]


def test_requests_beyond_the_limit_wait_in_the_queue(dispatcher: Dispatcher) -> None:
    works = [add(dispatcher) for _ in range(5)]
    assert works[0].begun.wait(PATIENCE)
    assert works[1].begun.wait(PATIENCE)
    assert dispatcher.waiting == 3
    for work, following in zip(works, works[2:], strict=False):
        assert not following.begun.is_set()
        work.may_end.set()
        assert following.begun.wait(PATIENCE)
    works[3].may_end.set()
    works[4].may_end.set()


def test_the_thread_that_went_idle_last_gets_the_next_request(dispatcher: Dispatcher) -> None:
    first, second = add(dispatcher), add(dispatcher)
    assert first.begun.wait(PATIENCE)
    assert second.begun.wait(PATIENCE)
    first.may_end.set()
    wait_until(lambda: dispatcher.answering == 1, PATIENCE)
    second.may_end.set()
    wait_until(lambda: not dispatcher.busy, PATIENCE)
    third = add(dispatcher)
    assert third.begun.wait(PATIENCE)
    third.may_end.set()
    assert third.thread == second.thread


def test_a_thread_survives_any_exception(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        dispatcher.add_task(Failing())
    wait_until(lambda: not dispatcher.busy, PATIENCE)
    assert [record.message for record in caplog.records] == ["a thread's work failed"] * 5
    work = add(dispatcher)
    assert work.begun.wait(PATIENCE)
    work.may_end.set()


def test_stopping_drops_the_queue_and_reports_threads_that_do_not_end() -> None:
    dispatcher = Dispatcher("test", 1)
    running, waiting = add(dispatcher), add(dispatcher)
    assert running.begun.wait(PATIENCE)
    assert dispatcher.stop() is False
    running.may_end.set()
    wait_until(dispatcher.stop, PATIENCE)
    assert not waiting.begun.is_set()
    assert started() == []


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Make threads need more room than there is."""
    threading.stack_size(1 << 46)
    yield
    threading.stack_size(0)


def test_existing_threads_do_the_work_of_those_that_cannot_be_started(
    dispatcher: Dispatcher,
) -> None:
    first = add(dispatcher)
    assert first.begun.wait(PATIENCE)
    with no_thread_left():
        second = add(dispatcher)
    assert dispatcher.waiting == 1
    first.may_end.set()
    assert second.begun.wait(PATIENCE)
    second.may_end.set()


def test_without_any_thread_the_error_is_raised() -> None:
    with no_thread_left(), pytest.raises(RuntimeError, match="can't start new thread"):
        Dispatcher("test", 1).add_task(Failing())
