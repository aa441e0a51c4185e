"""The parser against h11 and llhttp, a few thousand streams."""

from resilience.differential import compare


def test_no_stream_is_read_otherwise_than_by_h11_and_llhttp_or_by_how_it_is_cut() -> None:
    report = compare(4000, seed=20_000)
    assert report.bad == []
    assert report.accepted > 2000
