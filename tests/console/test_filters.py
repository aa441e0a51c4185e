"""Which invocations a page lists."""

from collections.abc import Iterator
from typing import Any

import pytest

from fcplug.console.filters import ROWS, Filter, Window, window
from fcplug.platform.model import Call, Invocation, Outcome
from support.recorded_platform import RecordedPlatform


def invocation(number: int, outcome: Outcome | None, **call: Any) -> Invocation:
    values = {"function": "f", "request_id": f"id-{number}", **call}
    return Invocation(number=number, call=Call(**values), outcome=outcome)


GOOD = invocation(1, Outcome(body=b"the Answer", log=b"a line"), payload=b"an event")
BAD = invocation(2, Outcome(error_type="UnhandledInvocationError"), kind="async")
EXITED = invocation(3, Outcome(status=412, code="CAExited", message="it ended"), function="g")
RUNNING = invocation(4, None, kind="http", method="GET", target="/shop")
ALL = [RUNNING, EXITED, BAD, GOOD]


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (Filter(), [4, 3, 2, 1]),
        (Filter(outcome="failed"), [3, 2]),
        (Filter(outcome="running"), [4]),
        (Filter(outcome="succeeded"), [1]),
        (Filter(kind="async"), [2]),
        (Filter(text="ID-3"), [3]),
        (Filter(text="an event"), [1]),
        (Filter(text="answer"), [1]),
        (Filter(text="a line"), [1]),
        (Filter(text="caexited"), [3]),
        (Filter(text="/SHOP"), [4]),
        (Filter(text="unhandled", kind="async"), [2]),
        (Filter(text="unhandled", kind="sync"), []),
    ],
)
def test_a_filter_keeps_what_it_asks_for(chosen: Filter, numbers: list[int]) -> None:
    assert [each.number for each in window(ALL, chosen).rows] == numbers


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecordedPlatform:
    platform = RecordedPlatform(tmp_path_factory.mktemp("recorded"))
    platform.record(10_000)
    return platform


def walk(recorded: RecordedPlatform, chosen: Filter) -> Iterator[Window]:
    every = recorded.invocations(limit=10_000)
    while True:
        page = window(every, chosen)
        yield page
        if page.older is None:
            return
        chosen = chosen._replace(before=page.older)


def test_ten_thousand_invocations_are_pages_without_a_gap(recorded: RecordedPlatform) -> None:
    pages = list(walk(recorded, Filter()))
    assert [each.number for page in pages for each in page.rows] == list(range(10_000, 0, -1))
    assert {len(page.rows) for page in pages} == {ROWS}
    assert pages[0].newer is None
    assert pages[1].newer == 0
    assert pages[5].newer == pages[4].rows[0].number + 1


def test_a_page_stays_where_it_is_while_calls_come(recorded: RecordedPlatform) -> None:
    every = recorded.invocations(limit=10_000)
    chosen = Filter(outcome="failed", before=every[500].number)
    older = window(every[100:], chosen)
    newer = window(every, chosen)
    assert older.rows == newer.rows
    assert older.first < newer.first


def test_a_link_carries_what_was_asked_for() -> None:
    chosen = Filter(function="f", text="a&b <c>")
    assert chosen.query(7) == "function=f&text=a%26b+%3Cc%3E&before=7"
