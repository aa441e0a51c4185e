"""The bars of ``make resilience``, each in a small form, without limits of time."""

from pathlib import Path

import pytest

from resilience.bar import Bar, Report
from resilience.registry import bars

SLOW = {"soak", "drain", "neighbour", "kill", "crash", "clients", "freeze", "bodies", "settle"}
SLOW |= {"unread", "signals", "plugins"}
# they mostly wait, and their limits do not depend on other load; others run alone
BESIDE_OTHERS = {"clients", "freeze", "settle", "contract", "unread", "signals"}


def marks(bar: Bar) -> list[pytest.MarkDecorator]:
    """Return how this bar's test is run."""
    slow = [pytest.mark.slow] if bar.name in SLOW else []
    return slow if bar.name in BESIDE_OTHERS else [*slow, pytest.mark.alone]


@pytest.mark.parametrize(
    "bar", [pytest.param(bar, id=bar.name, marks=marks(bar)) for bar in bars()]
)
def test_a_bar_is_met(bar: Bar) -> None:
    report = bar.measure(bar.small, talks=False)
    print(f"{report.verdict}, {report.seconds:.1f} s: {'; '.join(report.figures)}")
    assert report.missed == []


def test_a_bar_that_is_missed_says_so() -> None:
    report = Report("x")
    report.expect(False, "1 lost")
    report.expect_within(0.2, 0.1, "p99")
    assert (report.verdict, report.missed) == ("MISSED", ["1 lost"])
    assert report.late == ["p99 200 ms (<= 100)"]


def test_the_bars_are_numbered_from_1_and_named_once() -> None:
    every = bars()
    assert [bar.number for bar in every] == list(range(1, 21))
    assert len({bar.name for bar in every}) == 20


def test_every_bar_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "resilience.md"
    for bar in bars():
        assert f"\n| {bar.number} | `{bar.name}` |" in page.read_text()
