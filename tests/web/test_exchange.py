"""One web request: its log lines, its failures, and the resources it frees."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.app import create_app
from fcplug.context import Context
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import BodyCut, Response

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]
Get = Callable[..., Response | Result]

SHOP = """
class Body:
    def __init__(self, *chunks, closing=None):
        self.chunks, self.closing = iter(chunks), closing
    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    def close(self):
        print("closed")
        if self.closing:
            raise self.closing

class Empty(Exception):
    def __len__(self):
        return 0

ANSWERS = {
    "/false": lambda: Body(b"one", Empty("false in a condition")),
    "/": lambda: Body(b"one", b"two"),
    "/unclosed": lambda: Body(b"one", b"two", closing=OSError("no close")),
    "/broken": lambda: Body(b"one", ValueError("no two"), closing=OSError("no close")),
    "/nothing": lambda: Body(),
    "/exact": lambda: Body(b"one", b"two"),
}

def app(environ, start_response):
    length = [("Content-Length", "6")] if environ["PATH_INFO"] == "/exact" else []
    start_response("200 OK", length)
    return ANSWERS[environ["PATH_INFO"]]()
"""
START, END = "FC Invoke Start RequestId: 1-2\n", "FC Invoke End RequestId: 1-2\n"
FAILED = "FC Invoke End RequestId: 1-2, Error: Unhandled function error\n"


@pytest.fixture
def get(code: Code, serve: Serve, called: Called) -> Get:
    code("shop", SHOP)
    runtime = serve(shop={"wsgi": "shop:app", "concurrency": 1, "queue": 0})

    def get(path: str = "/", method: str = "GET") -> Response | Result:
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
        return runtime.web(environ, called("shop", request_id="1-2"))

    return get


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def body_of(answer: Response | Result) -> Any:
    assert isinstance(answer, Response)
    return answer.body


@pytest.mark.parametrize("path", ["/", "/exact"])
def test_the_last_line_comes_when_the_application_is_closed(
    get: Get, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    for _ in range(2):
        assert b"".join(body_of(get(path))) == b"onetwo"
        assert capsys.readouterr().out == f"{START}closed\n{END}"


def test_a_measured_body_has_ended_before_its_last_bytes_are_out(
    get: Get, capsys: pytest.CaptureFixture[str]
) -> None:
    body = body_of(get("/exact"))
    assert next(body) == b"one"
    assert capsys.readouterr().out == START
    assert next(body) == b"two"
    assert capsys.readouterr().out == f"closed\n{END}"


def test_an_error_that_is_false_as_a_condition_is_an_error(
    get: Get, capsys: pytest.CaptureFixture[str]
) -> None:
    body = body_of(get("/false"))
    assert next(body) == b"one"
    with pytest.raises(BodyCut):
        next(body)
    assert capsys.readouterr().out.endswith(FAILED)


@pytest.mark.parametrize(("path", "method"), [("/nothing", "GET"), ("/", "HEAD")])
def test_an_answer_without_a_body_has_ended_when_it_is_returned(
    get: Get, capsys: pytest.CaptureFixture[str], path: str, method: str
) -> None:
    body = body_of(get(path, method))
    assert capsys.readouterr().out == f"{START}closed\n{END}"
    assert list(body) == []
    body.close()
    assert capsys.readouterr().out == ""


def test_an_unread_body_ends_well_and_frees_its_permit(
    get: Get, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        body = body_of(get())
        assert isinstance(get(), Result), "its place is taken"
        capsys.readouterr()
        body.close()
        body.close()
        assert list(body) == []
        assert capsys.readouterr().out == f"closed\n{END}"
        assert caplog.messages[-2] == "the client disconnected before its answer was complete"


def test_a_body_that_fails_is_cut_and_frees_its_permit(
    get: Get, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        body = body_of(get("/broken"))
        assert next(body) == b"one"
        capsys.readouterr()
        with pytest.raises(BodyCut):
            next(body)
        assert capsys.readouterr().out == f"closed\n{FAILED}"
        assert list(body) == []
    assert "no two" in caplog.text
    assert "no close" in caplog.text


def test_a_failing_close_fails_the_request(
    get: Get, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    body = body_of(get("/unclosed"))
    assert [next(body), next(body)] == [b"one", b"two"]
    with pytest.raises(BodyCut):
        next(body)
    assert capsys.readouterr().out == f"{START}closed\n{FAILED}"
    body = body_of(get("/unclosed"))
    body.close()
    assert capsys.readouterr().out == f"{START}closed\n{FAILED}"
    assert caplog.text.count("OSError: no close") == 2
    assert "contextlib" not in caplog.text
    answer = get("/unclosed", "HEAD")
    assert isinstance(answer, Result)
    assert str(answer.error) == "no close"


def test_an_answer_that_the_server_rejects_is_closed(
    get: Get, code: Code, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = serve(shop={"wsgi": "shop:app"})
    app = create_app(runtime, {}, runtime.config.runtime)

    def refuse(*_: object) -> Any:
        raise AssertionError("not this")

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_X_FC_FUNCTION_NAME": "shop",
        "HTTP_X_FC_REQUEST_ID": "1-2",
    }
    with pytest.raises(AssertionError, match="not this"):
        app(environ, refuse)
    assert capsys.readouterr().out == f"{START}closed\n{END}"
