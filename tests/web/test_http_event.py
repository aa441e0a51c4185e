"""FC 3.0's HTTP event: requests to events, results to responses, both without loss."""

import base64
import importlib
import io
import json
import re
import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from wsgiref.util import setup_testing_defaults

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcplug.app import create_app
from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import InvalidResponse
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime
from fcplug.web import http_event
from fcplug.web.response import Response, close_body

TOKEN = "!#$%&'*+.^_`|~" + string.digits + string.ascii_letters + "-"


def call(**headers: str) -> Context:
    sent = {f"x-fc-{name.replace('_', '-')}": value for name, value in headers.items()}
    return Context.from_headers({"x-fc-request-id": "1-2-3", **sent}, {})


def event(body: bytes = b"", context: Context | None = None, **environ: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/example",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    loaded: dict[str, Any] = json.loads(http_event.event_of(given, context or call()))
    return loaded


def answer(value: Any) -> Response:
    return http_event.response_of(value if isinstance(value, bytes) else json.dumps(value).encode())


def whole(response: Response) -> tuple[str, dict[str, str], bytes]:
    return response.status, dict(response.headers), b"".join(response.body)


def refusal(value: Any) -> str:
    with pytest.raises(InvalidResponse) as caught:
        answer(value)
    return str(caught.value).removeprefix("the handler's response cannot be sent: ")


def test_the_event_has_the_keys_and_types_of_fcs_documentation() -> None:
    converted = event(
        b"Hello FC!",
        call(account_id="42"),
        REQUEST_URI="/a%20b?q=1",
        QUERY_STRING="q=1",
        CONTENT_TYPE="text/plain",
        REMOTE_ADDR="11.11.11.11",
        HTTP_HOST="shop-xyz.cn-hangzhou.fcapp.run:443",
        HTTP_USER_AGENT="curl/8",
    )
    moment = converted["requestContext"].pop("time"), converted["requestContext"].pop("timeEpoch")
    assert converted == {
        "version": "v1",
        "rawPath": "/a%20b",
        "headers": {
            "Content-Type": "text/plain",
            "Content-Length": "9",
            "Host": "shop-xyz.cn-hangzhou.fcapp.run:443",
            "User-Agent": "curl/8",
        },
        "queryParameters": {"q": "1"},
        "body": "Hello FC!",
        "isBase64Encoded": False,
        "requestContext": {
            "accountId": "42",
            "domainName": "shop-xyz.cn-hangzhou.fcapp.run",
            "domainPrefix": "shop-xyz",
            "requestId": "1-2-3",
            "http": {
                "method": "POST",
                "path": "/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "11.11.11.11",
                "userAgent": "curl/8",
            },
        },
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment[0])
    assert isinstance(moment[1], str)
    epoch = datetime.strptime(moment[0], "%Y-%m-%dT%H:%M:%S%z").astimezone(timezone.utc)
    assert int(moment[1]) // 1000 == epoch.timestamp()


def test_a_request_without_headers_is_an_event_too() -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/caf\xc3\xa9", "wsgi.input": io.BytesIO()}
    converted = json.loads(http_event.event_of(environ, call()))
    assert (converted["rawPath"], converted["requestContext"]["http"]["path"]) == (
        "/caf%C3%A9",
        "/café",
    )
    assert (converted["body"], converted["headers"], converted["queryParameters"]) == ("", {}, {})
    assert converted["requestContext"]["domainPrefix"] == ""


@pytest.mark.parametrize(
    ("target", "path_info", "raw_path"),
    [
        ("/a//b/%2F?x=/y", "/a//b//", "/a//b/%2F"),
        ("//a", "/a", "//a"),
        ("http://host/a%20b?x=1", "/a b", "/a%20b"),
        ("*", "*", "*"),
    ],
)
def test_the_raw_path_is_as_it_was_sent(target: str, path_info: str, raw_path: str) -> None:
    assert event(REQUEST_URI=target, PATH_INFO=path_info)["rawPath"] == raw_path


def test_headers_of_fcs_own_do_not_reach_the_event() -> None:
    converted = event(HTTP_X_FC_SECURITY_TOKEN="token", HTTP_X_FC_REQUEST_ID="1", HTTP_X_FCX="kept")
    assert converted["headers"].keys() == {"Content-Length", "X-Fcx"}


def test_header_names_are_spelled_as_fc_spells_them() -> None:
    converted = event(HTTP_X_B3_TRACEID="1", HTTP_X_UTF8NAME="2", HTTP_ETAG="3")
    assert converted["headers"].keys() >= {"X-B3-Traceid", "X-Utf8name", "Etag"}


def test_repeated_query_parameters_are_joined_by_commas() -> None:
    assert event(QUERY_STRING="a=1&b=&a=2&c&d=x+%C3%A9%26")["queryParameters"] == {
        "a": "1,2",
        "b": "",
        "c": "",
        "d": "x é&",
    }


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("", b"text", False),
        ("", b"\xff", True),
        ("text/html; charset=utf-8", b"<p>", False),
        ("Application/JSON", b"{}", False),
        ("application/problem+json", b"{}", False),
        ("application/x-www-form-urlencoded", b"a=1", False),
        ("application/json", b"\x1f\x8b\x08", True),
        ("application/octet-stream", b"text", True),
        ("image/svg+xml", b"<svg/>", True),
        ("multipart/form-data; boundary=x", b"--x", True),
    ],
)
def test_a_body_is_text_if_its_type_and_its_bytes_are(
    content_type: str, body: bytes, is_base64: bool
) -> None:
    converted = event(body, CONTENT_TYPE=content_type)
    assert converted["isBase64Encoded"] is is_base64
    assert converted["body"] == (base64.b64encode(body) if is_base64 else body).decode()


@pytest.mark.parametrize(
    ("environ", "read"),
    [
        ({"CONTENT_LENGTH": "3"}, "abc"),
        ({"CONTENT_LENGTH": ""}, ""),
        ({"CONTENT_LENGTH": "3", "wsgi.input_terminated": True}, "abcdef"),
    ],
)
def test_a_body_is_read_to_where_the_server_says_it_ends(
    environ: dict[str, Any], read: str
) -> None:
    given = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"abcdef"), **environ}
    assert json.loads(http_event.event_of(given, call()))["body"] == read


def request_of(converted: dict[str, Any]) -> tuple[str, str, dict[str, str], dict[str, str], bytes]:
    """Return the request that an event tells of."""
    body = converted["body"]
    http = converted["requestContext"]["http"]
    return (
        http["method"],
        converted["rawPath"],
        converted["queryParameters"],
        {name: value for name, value in converted["headers"].items() if name != "Content-Length"},
        base64.b64decode(body) if converted["isBase64Encoded"] else body.encode(),
    )


TEXT = st.text(st.characters(codec="utf-8"))
LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
TYPES = st.sampled_from(["", "text/plain", "application/json", "image/png", "multipart/mixed"])


@given(
    body=st.binary() | TEXT.map(str.encode),
    path=TEXT,
    query=st.dictionaries(TEXT, TEXT),
    headers=st.dictionaries(st.text(string.ascii_lowercase, min_size=1), LATIN),
    kind=TYPES,
)
def test_a_request_is_whole_after_its_way_through_the_event(
    body: bytes, path: str, query: dict[str, str], headers: dict[str, str], kind: str
) -> None:
    raw_path = "/" + quote(path)
    converted = event(
        body,
        call(),
        REQUEST_METHOD="PATCH",
        REQUEST_URI=f"{raw_path}?{urlencode(query)}",
        QUERY_STRING=urlencode(query),
        CONTENT_TYPE=kind,
        **{f"HTTP_X_{name.upper()}": value for name, value in headers.items()},
    )
    method, came_path, came_query, came_headers, came_body = request_of(converted)
    assert (method, came_path, came_body) == ("PATCH", raw_path, body)
    assert converted["requestContext"]["http"]["path"] == f"/{path}"
    assert came_query == query
    assert came_headers.pop("Content-Type", "") == kind
    assert came_headers.keys() == {f"X-{name.title()}" for name in headers}
    for name, value in headers.items():
        came = came_headers[f"X-{name.title()}"]
        assert value in (came, came.encode().decode("latin-1"))


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(
        st.text(TOKEN, min_size=1).filter(
            lambda name: name.lower() not in ("content-length", "content-type")
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])).map(str.strip),
    ),
    body=st.binary(),
    is_text=st.booleans(),
)
def test_a_response_is_whole_after_its_way_through_json(
    status: int, headers: dict[str, str], body: bytes, is_text: bool
) -> None:
    text = body.decode("utf-8", "replace")
    body = text.encode() if is_text else body
    response = answer(
        {
            "statusCode": status,
            "headers": headers,
            "isBase64Encoded": not is_text,
            "body": text if is_text else base64.b64encode(body).decode(),
        }
    )
    line, sent, came = whole(response)
    assert re.fullmatch(f"{status} [A-Z].*", line)
    for name, value in headers.items():
        assert sent.pop(name) == value.encode().decode("latin-1")
    if status in (204, 205, 304):
        assert (sent, came) == ({}, b"")
    else:
        assert sent.pop("Content-Type")
        assert (sent, came) == ({"Content-Length": str(len(body))}, body)


@given(st.recursive(st.none() | st.booleans() | st.floats() | TEXT, st.lists) | st.binary())
def test_every_result_of_a_handler_is_a_response(value: Any) -> None:
    line, headers, body = whole(answer(value))
    assert line == "200 OK"
    assert headers["Content-Length"] == str(len(body))


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
PARTS = {
    "statusCode": st.sampled_from([200, 204, 302, 99, "200", True, None, 200.5, HTTPStatus.OK]),
    "headers": st.dictionaries(
        st.sampled_from(["A", "Content-Type", "b", "content-length", "no name"]),
        VALUES | st.lists(TEXT) | st.tuples(TEXT),
    )
    | VALUES,
    "isBase64Encoded": VALUES,
    "body": VALUES | st.just("\ud83d") | st.lists(TEXT),
    "further": VALUES | st.lists(TEXT),
}


@given(st.fixed_dictionaries({}, optional=PARTS))
def test_an_object_is_the_same_response_as_its_json(value: dict[str, Any]) -> None:
    def outcome(result: Any) -> tuple[str, Sequence[tuple[str, str]], bytes] | str:
        try:
            response = http_event.response_of(result)
        except InvalidResponse as error:
            return str(error)
        return response.status, response.headers, b"".join(response.body)

    assert outcome(value) == outcome(encode(value))


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        (" \t\r\n[1]", True),
        ("-1", True),
        ("NaN", True),
        ("-Infinity", True),
        ("true", True),
        ("\u2003[1]", False),
        ("nothing", False),
        ("", False),
    ],
)
def test_a_text_is_json_where_json_reads_it(text: str, is_json: bool) -> None:
    kind = "application/json" if is_json else "text/plain; charset=utf-8"
    assert dict(http_event.response_of(text).headers)["Content-Type"] == kind


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.b:9000", "a.b"),
        ("a.b", "a.b"),
        ("a.b:", "a.b"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        (":80", ""),
        ("a:b", "a:b"),
    ],
)
def test_the_domain_is_the_host_without_its_port(host: str, name: str) -> None:
    assert event(HTTP_HOST=host)["requestContext"]["domainName"] == name


@pytest.mark.parametrize(
    ("result", "content_type"),
    [
        (b'{"id": 1}', "application/json"),
        (b"null", "application/json"),
        (b'"a text in quotes"', "application/json"),
        (b"a text", "text/plain; charset=utf-8"),
        (b"", "text/plain; charset=utf-8"),
        ("grüß dich".encode(), "text/plain; charset=utf-8"),
        (b"[" * 100_000, "text/plain; charset=utf-8"),
        (b"\xff\xd8\xff", "application/octet-stream"),
        (b"\x7b\x00\x7d\x00\xff", "application/octet-stream"),
    ],
)
def test_a_result_without_a_status_code_is_the_body_of_a_200(
    result: bytes, content_type: str
) -> None:
    line, headers, body = whole(answer(result))
    assert (line, headers["Content-Type"], body) == ("200 OK", content_type, result)


def test_a_response_need_only_have_a_status_code() -> None:
    for rest in ({}, {"headers": None, "body": None, "isBase64Encoded": None}):
        assert whole(answer({"statusCode": "404", **rest})) == (
            "404 Not Found",
            {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "0"},
            b"",
        )
    assert answer({"statusCode": 299}).status == "299 Unknown"


def test_a_header_with_a_list_is_sent_as_often() -> None:
    cookies = ["a=1", "b=2"]
    response = answer({"statusCode": 200, "headers": {"Set-Cookie": cookies, "X-Count": 3}})
    assert list(response.headers)[:3] == [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Count", "3"),
    ]


def test_the_length_is_always_that_of_the_body() -> None:
    headers = {"content-length": "1000", "content-type": "text/csv"}
    _, sent, _ = whole(answer({"statusCode": 200, "headers": headers, "body": "é"}))
    assert sent == {"content-type": "text/csv", "Content-Length": "2"}


def test_base64_may_be_broken_into_lines() -> None:
    body = base64.encodebytes(bytes(range(256))).decode()
    response = answer({"statusCode": 200, "isBase64Encoded": True, "body": body})
    _, sent, came = whole(response)
    assert came == bytes(range(256))
    assert sent["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"statusCode": None}, "statusCode is null; return a number from 200 to 599"),
        ({"statusCode": True}, "statusCode is true or false; return"),
        ({"statusCode": 200.0}, "statusCode is a number; return"),
        ({"statusCode": 99}, "statusCode is '99'; return"),
        ({"statusCode": 101}, "statusCode is '101'; return"),
        ({"statusCode": "600"}, "statusCode is '600'; return"),
        ({"statusCode": "OK" * 1000}, "statusCode is 'OKOKOKOKOKOKOKOKOKOK'; return"),
        ({"statusCode": "200\n"}, "statusCode is '200\\n'; return"),
        ({"statusCode": ""}, "statusCode is a text; return"),
        ({"headers": [["a", "b"]]}, "headers is a list; return an object"),
        ({"headers": {"X-Flag": True}}, "headers['X-Flag'] is true or false; return a text, or a"),
        ({"headers": {"X-Flag": [None]}}, "headers['X-Flag'] is null; return a text, or a list"),
        ({"headers": {"X-Flag": {}}}, "headers['X-Flag'] is an object; return"),
        ({"headers": {"X Flag": ""}}, "headers['X Flag'] has a name that cannot be sent; use"),
        ({"headers": {"": ""}}, "headers[''] has a name that cannot be sent; use"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers['X'] holds a line break or another control"),
        (
            {"headers": {"X": "\ud800"}},
            "headers['X'] contains half a surrogate pair, which is not UTF-8",
        ),
        ({"body": {"a": 1}}, "body is an object; return a text, encoded with json.dumps"),
        ({"body": 1}, "body is a number; return a text"),
        ({"body": "\ud83d"}, "body contains half a surrogate pair, which is not UTF-8; encode"),
        ({"isBase64Encoded": "true"}, "isBase64Encoded is a text; return true or false"),
        ({"isBase64Encoded": True, "body": "a?b"}, "body is not base64, as isBase64Encoded says:"),
        ({"isBase64Encoded": True, "body": "é"}, "body is not base64, as isBase64Encoded says:"),
    ],
)
def test_the_error_for_an_invalid_response_has_the_key_and_the_fix(
    wrong: dict[str, Any], message: str
) -> None:
    assert refusal({"statusCode": 200, **wrong}).startswith(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(190, 610) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.fixed_dictionaries(
        {"statusCode": st.integers(200, 599) | JSON},
        optional={"headers": JSON, "body": st.text() | JSON, "isBase64Encoded": JSON},
    )
)
def test_a_response_can_be_sent_or_is_rejected(value: dict[str, Any]) -> None:
    message, line = "", "200 OK"
    headers: dict[str, str] = {}
    try:
        line, headers, _ = whole(answer(value))
    except InvalidResponse as error:
        message = str(error)
    assert len(message) < 400
    assert message.isprintable()
    assert re.fullmatch(r"[2-5]\d\d [ -~]+", line)
    for name, text in headers.items():
        assert re.fullmatch(r"[!#-'*+.^-`|~\w-]+", name, re.ASCII)
        assert re.fullmatch(r"[\t -~\x80-\xff]*", text)


def ask(runtime: Runtime, context: Context, path: str = "/") -> tuple[str, bytes]:
    """Send a web request; return the status line, or what went wrong, and the body."""
    environ = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "PATH_INFO": path,
        "wsgi.input": io.BytesIO(),
    }
    answered = runtime.web(environ, context)
    if isinstance(answered, Result):
        return type(answered.error).__name__, answered.body
    try:
        return answered.status, b"".join(answered.body)
    finally:
        close_body(answered.body)


def test_middleware_wraps_web_requests_as_it_does_events(
    code: Callable[[str, str], Path],
    install: Callable[..., Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    text = """
    import json
    from fcplug import hookimpl
    class Wrap:
        @hookimpl(wrapper=True)
        def invoke(self, event):
            result = yield
            return {"statusCode": 202, "body": json.loads(event)["rawPath"] + result}
    """
    install("my-dist", {"mine": text}, middleware={"wrap": "mine:Wrap"})
    code("index", "def handler(event, context): return ' answered'\n")
    runtime = serve(f={"handler": "index.handler", "middleware": ["wrap"]})
    assert ask(runtime, called("f"), "/a") == ("202 Accepted", b"/a answered")


GATED = """
import threading
inside, gate = threading.Semaphore(0), threading.Event()
def handler(event, context):
    inside.release()
    assert gate.wait(20)
    return "done"
"""


def test_web_requests_have_the_deadline_of_their_function(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", GATED)
    runtime = serve(f={"handler": "index.handler", "timeout": 0.1})
    kind, body = ask(runtime, called("f"))
    assert (kind, json.loads(body)["errorType"]) == ("FunctionTimeoutError", "FunctionTimeoutError")
    index = importlib.import_module("index")
    index.gate.set()


def test_web_requests_count_among_the_concurrency_of_their_function(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", GATED)
    runtime = serve(f={"handler": "index.handler", "concurrency": 1, "queue": 0})
    assert next(runtime.load(["f"]))[2] is None
    index = importlib.import_module("index")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ask, runtime, called("f"))
        assert index.inside.acquire(timeout=20)
        assert ask(runtime, called("f"))[0] == "ConcurrencyExceeded"
        assert runtime.invoke(b"", called("f")).error is not None
        index.gate.set()
        assert first.result(20) == ("200 OK", b"done")
    assert ask(runtime, called("f")) == ("200 OK", b"done")


def test_the_handler_of_the_page_answers(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "web.md").read_text()
    (snippet,) = re.findall(r"```python\n(import json\n.*?)```", page, re.DOTALL)
    code("index", snippet)
    runtime = serve(f="index.handle")
    assert ask(runtime, called("f"), "/") == ("200 OK", b"Hello, you!")


def test_a_status_for_fc_in_the_headers_of_a_result_is_sent(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
) -> None:
    code(
        "index",
        """
        def handler(event, context):
            return {"statusCode": 500, "headers": {"X-Fc-Status": 404}, "body": "sorry"}
    """,
    )
    runtime = serve(f="index.handler")
    app = create_app(runtime, {}, runtime.config.runtime)
    sent: list[tuple[str, list[tuple[str, str]]]] = []
    environ: dict[str, Any] = {"HTTP_X_FC_FUNCTION_NAME": "f"}
    setup_testing_defaults(environ)
    body = app(environ, lambda status, headers, *_: sent.append((status, headers)))  # type: ignore[arg-type]
    assert b"".join(body) == b"sorry"
    ((status, headers),) = sent
    assert status == "500 Internal Server Error"
    assert [value for name, value in headers if name.lower() == "x-fc-status"] == ["404"]


def test_an_event_that_does_not_fit_is_the_clients_fault(
    code: Callable[[str, str], Path], serve: Callable[..., Runtime]
) -> None:
    code("picky", "def handle(event: list, context): return event\n")
    runtime = serve(f={"handler": "picky:handle"})
    environ: dict[str, Any] = {"HTTP_X_FC_FUNCTION_NAME": "f", "wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    app = create_app(runtime, {}, runtime.config.runtime)
    sent: list[str] = []
    body = app(environ, lambda status, *_: sent.append(status))  # type: ignore[arg-type]
    assert json.loads(b"".join(body))["errorType"] == "InvalidEvent"
    assert sent == ["400 Bad Request"]
