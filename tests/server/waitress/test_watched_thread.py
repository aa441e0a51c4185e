"""What one thread sees of another: whether it runs, sleeps, or waits for a processor."""

import queue
import sys
import threading
import zlib
from collections.abc import Callable

import pytest

from fcplug.server.waitress.watched_thread import WatchedThread
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux says what a thread does")
MANY = bytes(2**20)


def watched(work: Callable[[], object]) -> tuple[threading.Thread, WatchedThread]:
    """Start a thread that does this work, and return it as others see it."""
    made: queue.SimpleQueue[WatchedThread] = queue.SimpleQueue()

    def run() -> None:
        made.put(WatchedThread())
        work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, made.get()


def test_a_thread_that_sleeps_is_not_ready_and_uses_no_processor_time() -> None:
    may_end = threading.Event()
    thread, seen = watched(may_end.wait)
    wait_until(lambda: not seen.is_ready())
    before = seen.processor_time()
    assert not seen.is_ready()
    assert seen.processor_time() == before
    may_end.set()
    thread.join()


def test_a_thread_that_computes_is_ready_and_uses_processor_time() -> None:
    may_end = threading.Event()

    def compute() -> None:
        while not may_end.is_set():
            zlib.crc32(MANY)  # without the GIL

    thread, seen = watched(compute)
    before = seen.processor_time()
    wait_until(lambda: seen.is_ready() and seen.processor_time() > before)
    may_end.set()
    thread.join()


def test_a_thread_that_has_ended_is_not_ready() -> None:
    thread, seen = watched(lambda: None)
    thread.join()
    wait_until(lambda: not seen.is_ready())
