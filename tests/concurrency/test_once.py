"""Work that is done until it first succeeds, with many callers at once."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fcplug.concurrency.once import Once
from support.at_once import at_once, outcome


class Attempts:
    """Work that counts how often it is done, and fails the first times."""

    def __init__(self, failures: int = 0, seconds: float = 0.0) -> None:
        self.count = 0
        self.failures = failures
        self.seconds = seconds

    def __call__(self) -> int:
        self.count += 1
        time.sleep(self.seconds)
        if self.count <= self.failures:
            raise OSError(f"attempt {self.count}")
        return self.count


def test_work_that_succeeded_is_not_done_again() -> None:
    once, work = Once[int](), Attempts()
    assert not once.done
    assert [once.run(work) for _ in range(3)] == [1, 1, 1]
    assert once.done


def test_work_that_failed_is_done_again_by_the_next_caller() -> None:
    once, work = Once[int](), Attempts(failures=2)
    assert [outcome(lambda: once.run(work)) for _ in range(4)] == [
        "attempt 1",
        "attempt 2",
        "3",
        "3",
    ]


def test_fifty_callers_at_once_do_the_work_once() -> None:
    once, work = Once[int](), Attempts(seconds=0.05)
    assert at_once(50, lambda: once.run(work)) == ["1"] * 50
    assert work.count == 1


def test_callers_that_meet_a_failing_attempt_share_its_error() -> None:
    once, work = Once[int](), Attempts(failures=1, seconds=1)
    assert at_once(50, lambda: once.run(work)) == ["attempt 1"] * 50
    assert work.count == 1
    assert once.run(work) == 2


def test_an_attempt_that_was_cancelled_is_shared_with_nobody() -> None:
    once: Once[int] = Once()
    begun, end = threading.Event(), threading.Event()

    def cancelled() -> int:
        begun.set()
        end.wait(10)
        raise asyncio.CancelledError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.run, cancelled)
        begun.wait(10)
        second = pool.submit(once.run, lambda: 7)
        end.set()
        assert isinstance(first.exception(), asyncio.CancelledError)
        assert second.result() == 7


def test_a_caller_that_waited_for_a_success_gets_it() -> None:
    once, work = Once[int](), Attempts(seconds=0.1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.run, work)
        while not work.count:
            time.sleep(0.001)
        assert pool.submit(once.run, work).result() == first.result() == 1


def test_only_the_first_of_many_resets_finds_the_work_done() -> None:
    once, work = Once[int](), Attempts()
    assert not once.reset()
    once.run(work)
    assert sorted(at_once(20, once.reset)) == ["False"] * 19 + ["True"]
    assert not once.done
    assert once.run(work) == 2
