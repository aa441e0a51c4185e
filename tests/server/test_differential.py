"""The parser against h11 and llhttp, a few thousand streams; ``differential`` runs the full bar."""

from differential import run


def test_no_stream_is_read_otherwise_than_by_h11_and_llhttp_or_by_how_it_is_cut() -> None:
    report = run(4000, seed=20_000)
    assert report.bad == []
    assert report.accepted > 2000
