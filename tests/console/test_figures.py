"""Durations and calls at once, over time."""

from typing import Any

import pytest

from fcplug.console.figures import percentile, series, summary
from fcplug.platform.model import Call, Invocation, Outcome

NOW = 1_000_000.0


def invocation(begun: float, ended: float, **outcome: Any) -> Invocation:
    call = Call(function="f", request_id="id")
    came = Outcome(duration_ms=(ended - begun) * 1000, **outcome) if ended else None
    return Invocation(number=1, call=call, outcome=came, begun=begun, ended=ended)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50.0), (95, 95.0), (99, 99.0), (1, 1.0), (100, 100.0)]
)
def test_a_percentile_is_one_of_the_times(percent: float, expected: float) -> None:
    assert percentile([float(each) for each in range(1, 101)], percent) == expected


def test_without_calls_there_are_no_times() -> None:
    assert summary([]) == (0, 0, 0, None, None, None)


def test_a_summary_counts_what_runs_and_what_failed() -> None:
    calls = [invocation(1, 2), invocation(1, 3, error_type="x"), invocation(1, 0)]
    assert summary(calls) == (3, 1, 1, 1000.0, 2000.0, 2000.0)


def test_calls_that_overlap_are_counted_at_once() -> None:
    calls = [
        invocation(NOW - 100, NOW - 90),
        invocation(NOW - 95, NOW - 40),
        invocation(NOW - 40, NOW - 39),  # begins as another ends
        invocation(NOW - 2, 0),
    ]
    found = series(calls, NOW, 5)
    at = [max(i for i, start in enumerate(found.at) if start <= NOW - ago) for ago in (95, 60, 1)]
    assert [found.running[part] for part in at] == [2, 1, 1]
    assert max(found.running) == 2
    assert found.running[0] == 0
    assert sum(found.calls) == 4


def test_a_call_that_began_before_the_chart_still_runs_in_it() -> None:
    found = series([invocation(NOW - 4000, 0)], NOW, 5)
    assert set(found.running) == {1}
    assert sum(found.calls) == 0


def test_parts_of_time_keep_their_places_as_time_goes_on() -> None:
    first, later = series([], NOW, 5), series([], NOW + 5, 5)
    assert later.at[:-1] == first.at[1:]
