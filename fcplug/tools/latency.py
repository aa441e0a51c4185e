"""Calls made time after time, and how long they took."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fcplug.errors import FcplugError
from fcplug.tools.call_target import Answer

Call = Callable[[], Answer]

_LOOK = 0.1  # seconds between two looks at how far the calls are
_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Measured(NamedTuple):
    """What calls took.

    Attributes:
        latencies: seconds of each call that was answered, from the shortest to the longest.
        calls: how many were made.
        concurrency: the most calls at once.
        failed: how many calls failed, or were not answered.
        failure: what one of these got.
        seconds: from the first call to the last answer.
    """

    latencies: Sequence[float]
    calls: int
    concurrency: int
    failed: int
    failure: Answer | FcplugError | None
    seconds: float

    def milliseconds(self) -> dict[str, float]:
        """Return the least, the mean, percentiles and the most; empty if nothing was answered.

        A percentile is the shortest time that this share of the calls did not exceed.
        """
        times = self.latencies
        if not times:
            return {}
        picked = {
            "min": times[0],
            "mean": sum(times) / len(times),
            **{name: times[_rank(share, len(times))] for name, share in _SHARES.items()},
            "max": times[-1],
        }
        return {name: round(seconds * 1000, 3) for name, seconds in picked.items()}


class _Caller(threading.Thread):
    """Makes calls, one after the other, until it is asked to stop."""

    def __init__(self, call: Call, count: int, stop: threading.Event) -> None:
        super().__init__(name="fcplug-caller", daemon=True)
        self._call = call
        self._count = count
        self._stop_asked = stop
        self.latencies: list[float] = []
        self.ended = 0
        self.failed = 0
        self.failure: Answer | FcplugError | None = None

    def run(self) -> None:
        for _ in range(self._count):
            if self._stop_asked.is_set():
                return
            try:
                answer = self._call()
            except FcplugError as error:
                self._note_failure(error)
            else:
                self.latencies.append(answer.seconds)
                if answer.failed:
                    self._note_failure(answer)
            self.ended += 1

    def _note_failure(self, failure: Answer | FcplugError) -> None:
        self.failed += 1
        self.failure = self.failure or failure


def once(call: Call) -> Answer:
    """Make one call on a thread of its own, so that an interrupt is not the function's failure.

    Raises:
        FcplugError: it is not answered.
    """
    outcomes: list[Answer | BaseException] = []

    def work() -> None:
        try:
            outcomes.append(call())
        except BaseException as error:
            outcomes.append(error)

    thread = threading.Thread(target=work, name="fcplug-caller", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK)  # with a time limit, as an interrupt would wait for the call elsewhere
    [outcome] = outcomes
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def measure(
    call: Call, count: int, concurrency: int, on_progress: Callable[[int], object]
) -> Measured:
    """Make calls on several threads and wait for all; an interrupt ends it between two calls.

    Args:
        call: makes one call.
        count: of calls.
        concurrency: the most calls at once.
        on_progress: called now and then with the number of calls that have ended.
    """
    stop = threading.Event()
    each, rest = divmod(count, concurrency)
    shares = [each + (index < rest) for index in range(concurrency)]
    callers = [_Caller(call, share, stop) for share in shares if share]
    begun = time.perf_counter()
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            while caller.is_alive():
                caller.join(_LOOK)
                on_progress(sum(other.ended for other in callers))
    finally:
        stop.set()
    took = time.perf_counter() - begun
    return Measured(
        latencies=sorted(taken for caller in callers for taken in caller.latencies),
        calls=sum(caller.ended for caller in callers),
        concurrency=len(callers),
        failed=sum(caller.failed for caller in callers),
        failure=next((caller.failure for caller in callers if caller.failure), None),
        seconds=took,
    )


def _rank(share: float, count: int) -> int:
    """Return the index of the smallest value that is not below this share of the sorted values."""
    return max(0, math.ceil(share * count) - 1)
