"""Web requests to functions in this process."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fcplug.context import Context
from fcplug.testing import Runner, make_context

Start = Callable[..., Any]


@pytest.fixture
def runner() -> Iterator[Runner]:
    with Runner() as runner:
        yield runner


def mirror(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Answer what was asked, a part in each field."""
    keys = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_X_ONE")
    fields = [(f"X-{key.replace('_', '-')}", environ.get(key, "")) for key in keys]
    fields += [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    start_response("201 Made", fields)
    print("asked")
    yield environ["wsgi.input"].read()
    yield environ["fc.context"].request_id.encode()


async def asgi(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """Answer with the path, after a lifespan."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_a_request_is_sent_and_its_answer_is_read_to_the_end(runner: Runner) -> None:
    answer = runner.http(
        mirror,
        "POST",
        "/caf%C3%A9/é?x=1&y=2",
        headers={"X-One": "1", "Content-Type": "text/plain"},
        body="body ",
        kind="wsgi",
        context=make_context(request_id="1-2"),
    )
    assert (answer.status, answer.reason, answer.text) == (201, "Made", "body 1-2")
    assert answer.headers["x-request-method"] == "POST"
    assert answer.headers["X-PATH-INFO"] == "/café/é".encode().decode("latin-1")
    assert answer.headers["X-Query-String"] == "x=1&y=2"
    assert answer.headers["X-Content-Type"] == "text/plain"
    assert answer.headers["X-HTTP-X-One"] == "1"
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.log[0] == "FC Invoke Start RequestId: 1-2"
    assert "asked" in answer.log
    assert answer.log[-1] == "FC Invoke End RequestId: 1-2"
    assert answer.error is None


def test_a_body_that_is_neither_bytes_nor_text_goes_as_json(runner: Runner) -> None:
    answer = runner.http(mirror, "POST", body={"a": 1}, kind="wsgi")
    assert answer.text.startswith('{"a": 1}')
    assert answer.headers["X-Content-Type"] == "application/json"


def test_fields_of_one_name_are_joined(runner: Runner) -> None:
    headers = [("X-One", "1"), ("x-one", "2")]
    assert runner.http(mirror, headers=headers, kind="wsgi").headers["X-HTTP-X-One"] == "1, 2"


def test_an_asgi_application_runs_with_its_lifespan(runner: Runner) -> None:
    answer = runner.http(asgi, "GET", "/a%20b", kind="asgi")
    assert (answer.status, answer.text, answer.headers["X-A"]) == (200, "/a b", "1")


def test_a_handler_gets_the_request_as_an_http_event(runner: Runner) -> None:
    def handle(event: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"statusCode": 202, "body": event["rawPath"]}

    answer = runner.http(handle, "GET", "/items?x=1")
    assert (answer.status, answer.text) == (202, "/items")


def test_an_application_that_fails_is_answered_by_the_runtime(runner: Runner) -> None:
    def failing(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise ValueError("no such luck")

    answer = runner.http(failing, kind="wsgi")
    assert answer.status == 500
    assert answer.json()["errorMessage"] == "no such luck"


def test_a_body_that_is_cut_short_says_why(runner: Runner) -> None:
    def cut(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        raise ValueError("no such luck")

    answer = runner.http(cut, kind="wsgi")
    assert answer.body == b"begun"
    assert isinstance(answer.error, ValueError)


def test_paths_of_the_platform_are_the_applications_own(runner: Runner) -> None:
    for path in ("/invoke", "/initialize", "/health"):
        assert runner.http(mirror, "POST", path, kind="wsgi").headers["X-PATH-INFO"] == path


def test_a_web_function_of_a_configuration_answers(code: Callable[[str, str], Path]) -> None:
    code("web_of_test", "def app(environ, start):\n    start('200 OK', [])\n    return [b'here']")
    text = 'version: 1\nfunctions: {shop: {wsgi: "web_of_test:app"}}'
    with Runner.from_text(text) as runner:
        assert runner.http("shop", "GET", "/").text == "here"
        assert runner.http("shopp").status == 404
        assert "web requests" in str(runner.invoke("shop").error)


def test_an_application_that_answers_all_phases_gets_events(
    code: Callable[[str, str], Path],
) -> None:
    code(
        "phases_of_test",
        """
        def app(environ, start):
            path = environ["PATH_INFO"]
            status = "404 Not Found" if path == "/initialize" else "200 OK"
            start(status, [("x-fc-status", status[:3])])
            return [path.encode(), b" ", environ["wsgi.input"].read()]
        """,
    )
    text = 'version: 1\nfunctions: {f: {wsgi: "phases_of_test:app", phases: app}}'
    with Runner.from_text(text) as runner:
        answer = runner.invoke("f", "event")
        assert (answer.text, answer.error) == ("/invoke event", None)
        assert "answered /initialize with 404" in str(runner.initialize("f").error)


def test_a_kind_that_does_not_fit_is_an_answer_with_the_fix(runner: Runner) -> None:
    answer = runner.http(asgi, kind="wsgi")
    assert answer.status == 500
    assert "asgi instead of wsgi" in "\n".join(answer.log)
