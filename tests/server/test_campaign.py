"""A thousand malformed requests, live; the full bar is in ``campaign``."""

import pytest

from campaign import passed, run


def test_malformed_requests_crash_leak_and_keep_nothing() -> None:
    figures = run(300, seed=7)
    assert passed(figures), figures
    assert figures.answered > 100


@pytest.mark.slow
def test_malformed_requests_by_the_ten_thousand() -> None:
    figures = run(10_000, seed=8)
    assert passed(figures), figures
