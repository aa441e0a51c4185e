"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


def wait_until(claim: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once ``claim`` holds.

    Raises:
        AssertionError: it did not hold in time.
    """
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)
