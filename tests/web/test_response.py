from collections.abc import Callable

import pytest

from fcplug.web.response import Response


def test_a_response_is_closed_once_and_by_all_callbacks_in_their_order() -> None:
    called: list[str] = []

    def failing() -> None:
        called.append("failing")
        raise OSError("cannot close")

    callbacks: list[Callable[[], object]] = [
        lambda: called.append("first"),
        failing,
        lambda: called.append("last"),
    ]
    response = Response("200 OK", [], iter(()), callbacks)
    with pytest.raises(OSError, match="cannot close"):
        response.close()
    response.close()
    assert called == ["first", "failing", "last"]


def test_responses_have_callbacks_of_their_own() -> None:
    one, other = Response("200 OK", [], iter(())), Response("200 OK", [], iter(()))
    one.on_close.append(lambda: None)
    assert not other.on_close
