"""Many threads that do the same at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def outcome(work: Callable[[], object]) -> str:
    """Return what some work returns, or the text of an error of the system, as text."""
    try:
        return str(work())
    except OSError as error:
        return str(error)


def at_once(count: int, work: Callable[[], object]) -> list[str]:
    """Return the outcomes of many threads that start together."""
    barrier = threading.Barrier(count)

    def begin(_: int) -> str:
        barrier.wait()
        return outcome(work)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
