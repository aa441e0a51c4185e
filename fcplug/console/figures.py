"""How long calls took and how many ran at once, over time."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from fcplug.platform.model import Invocation

MINUTES = (1, 5, 15, 60)  # that a chart may show
_PARTS = 60  # of a chart


class Summary(NamedTuple):
    """Calls in numbers; times are milliseconds, None without any call."""

    calls: int
    failed: int
    running: int
    p50: float | None
    p95: float | None
    p99: float | None


def summary(invocations: Sequence[Invocation]) -> Summary:
    """Return some calls in numbers."""
    outcomes = [each.outcome for each in invocations if each.outcome is not None]
    times = sorted(each.duration_ms for each in outcomes)
    return Summary(
        calls=len(invocations),
        failed=sum(not each.succeeded for each in outcomes),
        running=len(invocations) - len(outcomes),
        p50=percentile(times, 50),
        p95=percentile(times, 95),
        p99=percentile(times, 99),
    )


def percentile(times: Sequence[float], percent: float) -> float | None:
    """Return the nearest rank of sorted times, None if there are none."""
    if not times:
        return None
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)]


class Series(NamedTuple):
    """The lines of the charts: a value for each moment, None where there was no call.

    Attributes:
        at: seconds since the epoch.
        p50, p95, p99: milliseconds of the calls that began there.
        running: how many ran at once at most.
        calls, failed: how many began there.
    """

    at: list[float]
    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]
    running: list[int]
    calls: list[int]
    failed: list[int]


def series(invocations: Sequence[Invocation], now: float, minutes: int) -> Series:
    """Return what happened in the last minutes, in equal parts of time."""
    width = minutes * 60 / _PARTS
    start = (math.floor(now / width) + 1) * width - minutes * 60  # parts keep their places
    times: list[list[float]] = [[] for _ in range(_PARTS)]
    calls, failed = [0] * _PARTS, [0] * _PARTS
    for each in invocations:
        part = math.floor((each.begun - start) / width)
        if not 0 <= part < _PARTS:
            continue
        calls[part] += 1
        if each.outcome is not None:
            times[part].append(each.outcome.duration_ms)
            failed[part] += not each.outcome.succeeded
    ordered = [sorted(each) for each in times]
    return Series(
        at=[round(start + width * part, 3) for part in range(_PARTS)],
        p50=[percentile(each, 50) for each in ordered],
        p95=[percentile(each, 95) for each in ordered],
        p99=[percentile(each, 99) for each in ordered],
        running=_running(invocations, start, width, now),
        calls=calls,
        failed=failed,
    )


def _running(
    invocations: Sequence[Invocation], start: float, width: float, now: float
) -> list[int]:
    """Return how many calls ran at once at most, in each part of time."""
    changes = []
    for each in invocations:
        ended = each.ended if each.outcome is not None else now + width
        if ended >= start:
            changes += [(each.begun, 1), (ended, -1)]
    changes.sort(key=lambda change: (change[0], -change[1]))
    most, level, index = [0] * _PARTS, 0, 0
    for part in range(_PARTS):
        end = start + width * (part + 1)
        most[part] = level
        while index < len(changes) and changes[index][0] < end:
            at, change = changes[index]
            level += change
            if at >= start:
                most[part] = max(most[part], level)
            else:
                most[part] = level
            index += 1
    return most
