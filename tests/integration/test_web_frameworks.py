"""Applications of real frameworks, in whole instances, under a real client."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from support.deployed import CODE, Instance, deploy, start

SHOPS = ("flask_shop", "django_shop", "falcon_shop")
CONFIG = """\
version: 1
defaults: {defaults}
functions:
  flask: {{wsgi: "flask_shop:app"}}
  django: {{wsgi: "django_shop:application"}}
  falcon: {{wsgi: "falcon_shop:app"}}
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(
    scope="module",
    params=["{}", "{timeout: 60}", "{isolation: process}"],
    ids=["thread", "deadline", "process"],
)
def instance(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Instance]:
    files = {f"{name}.py": (CODE / f"{name}.py").read_text() for name in SHOPS}
    config = CONFIG.format(defaults=request.param)
    with start(deploy(tmp_path_factory.mktemp("code"), config, files)) as running:
        yield running


@pytest.fixture
def visit(instance: Instance) -> Iterator["Visit"]:
    """Return what opens a browser at a function."""
    with ExitStack() as opened:
        yield lambda function: opened.enter_context(closing(Browser(instance, function)))


class Browser:
    """A client of one function that keeps its connection and its cookies."""

    def __init__(self, instance: Instance, function: str) -> None:
        self._connection: HTTPConnection = instance.connect()
        self._function = function
        self.cookies: dict[str, str] = {}

    def close(self) -> None:
        self._connection.close()

    def send(
        self, method: str, path: str, body: str | bytes = b"", headers: Mapping[str, str] = {}
    ) -> HTTPResponse:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"X-Fc-Function-Name": self._function, "Cookie": cookie, **headers}
        self._connection.request(method, path, body or None, sent)
        response = self._connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response

    def read(self, method: str, path: str, body: str | bytes = b"", **headers: str) -> bytes:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.send(method, path, body, sent)
        assert response.status < 300, response.read()
        return response.read()


Visit = Callable[[str], Browser]


def test_flask_has_routes_forms_and_sessions(visit: Visit) -> None:
    browser = visit("flask")
    assert browser.read("GET", "/hello/J%C3%BCrgen?mark=%21") == "Hello, Jürgen!".encode()
    for items in (["tea"], ["tea", "tea"]):
        sent = browser.send("POST", "/cart", "item=tea", {**FORM, "X-Fc-Request-Id": "1-2-3"})
        assert json.loads(sent.read()) == {"items": items, "id": "1-2-3"}
    boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    form = boundary + b"y" * 300_000 + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    assert browser.read("POST", "/upload", form, Content_Type=kind) == b"300000"


def test_flask_streams_events_while_its_request_lasts(visit: Visit, tmp_path: Path) -> None:
    response = visit("flask").send("GET", f"/events?gate={tmp_path}/gate")
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.readline() == b"data: gate 1\n"
    (tmp_path / "gate").touch()
    assert response.read() == b"\ndata: 2\n\n"


def test_an_error_that_flask_answers_is_its_own(visit: Visit) -> None:
    response = visit("flask").send("GET", "/boom")
    assert (response.status, response.headers["x-fc-status"]) == (500, "200")
    assert b"<title>500 Internal Server Error</title>" in response.read()
    response = visit("flask").send("GET", "/nowhere")
    assert (response.status, response.headers["x-fc-status"]) == (404, "200")
    response.read()


def test_django_has_its_tokens_and_sessions(visit: Visit) -> None:
    browser = visit("django")
    assert browser.send("POST", "/order/x", "item=tea", FORM).status == 403
    browser = visit("django")
    token = browser.read("GET", "/token").decode()
    assert browser.cookies.keys() == {"csrftoken", "sessionid"}
    answer = browser.read("POST", "/order/%C3%BC", "item=tea", **FORM, X_CSRFToken=token)
    assert json.loads(answer) == {"item": "tea", "seen": 1, "path": "/order/ü", "name": "ü"}
    assert browser.read("GET", "/parts") == b"abc"


@pytest.mark.parametrize("function", ["flask", "django"])
def test_files_are_sent_whole(visit: Visit, function: str) -> None:
    sent = visit(function).read("GET", "/file")
    assert sent == (CODE / f"{function}_shop.py").read_bytes()


def test_falcon_has_media_streams_and_cookies(visit: Visit) -> None:
    browser = visit("falcon")
    assert browser.read("GET", "/things") == b"one two"
    assert browser.cookies == {"a": "1", "b": "2"}
    response = browser.send("PUT", "/things?x=1", '{"a": 1}', {"Content-Type": "application/json"})
    assert response.status == 201
    answered = json.loads(response.read())
    assert answered["got"] == {"a": 1}
    assert answered["uri"].endswith("/things?x=1")
