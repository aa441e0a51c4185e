"""Web functions in whole instances: in threads, with a deadline, and in workers."""

import contextlib
import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import CODE, PATIENCE, Instance, deploy, start
from support.waiting import wait_until

MODULE = "web_functions.py"
CONFIG = """\
version: 1
runtime: {{threads: 4, trust_callers: true, health_path: /health}}
defaults: {defaults}
functions:
  shop: {{wsgi: web_functions.shop}}
  validated: {{wsgi: web_functions.validated}}
  open: {{wsgi: "web_functions:shop", expose_credentials: true}}
  beside: {{handler: web_functions.Beside, wsgi: "web_functions:Beside.application"}}
  narrow: {{wsgi: web_functions.shop, concurrency: 1, queue: 0}}
  events: {{handler: web_functions.Beside}}
  broken: {{wsgi: web_functions.shopp}}
"""
ENVIRONMENT = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "key-of-the-environment",
    "SHOP_COLOUR": "grün",
    "HTTP_PROXY": "http://proxy",
    "CONTENT_TYPE": "of/environment",
}
MODES = {
    "thread": "{}",
    "deadline": "{timeout: 60}",
    "process": "{isolation: process, workers: 2}",
}


@pytest.fixture(scope="module", params=list(MODES.values()), ids=list(MODES))
def instance(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Instance]:
    with running(
        tmp_path_factory.mktemp("code"), CONFIG.format(defaults=request.param)
    ) as instance:
        yield instance


@contextlib.contextmanager
def running(folder: Path, config: str) -> Iterator[Instance]:
    code = deploy(folder, config, {MODULE: (CODE / MODULE).read_text()})
    with start(code, environ=ENVIRONMENT) as instance:
        yield instance


def send(instance: Instance, data: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", instance.port), timeout=PATIENCE)
    sock.sendall(data)
    return sock


def request(line: str, *fields: str, body: bytes = b"", function: str = "shop") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: a.example", f"X-Fc-Function-Name: {function}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        part = sock.recv(65536)
        assert part, f"no {end!r} in {data!r}"
        data += part
    return data


def read_all(sock: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            data += part
    return data


def ask(instance: Instance, line: str, *fields: str, body: bytes = b"", function: str = "shop"
        ) -> tuple[bytes, bytes]:  # fmt: skip
    """Return the head and the body of one answer, on a new connection."""
    sent = request(line, "Connection: close", *fields, body=body, function=function)
    with send(instance, sent) as sock:
        head, _, rest = read_all(sock).partition(b"\r\n\r\n")
    return head, rest


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_request_reaches_the_application_byte_for_byte(instance: Instance, method: str) -> None:
    """Checklist 39, 45."""
    target = "//a/%2F/%C3%A9%ff;b?x=%20&y=%ff"
    fields = ("X-One: 1", "x-one: 2", "X-Bytes: \xc3\x89\xff", "Cookie: a=1", "Content-Type: a/b")
    body = bytes(range(256))
    sent = json.loads(ask(instance, f"{method} {target}", *fields, body=body)[1])
    assert sent["REQUEST_METHOD"] == method
    assert sent["PATH_INFO"] == "//a///\xc3\xa9\xff;b"
    assert (sent["SCRIPT_NAME"], sent["QUERY_STRING"]) == ("", "x=%20&y=%ff")
    assert sent["REQUEST_URI"] == sent["fc.request_uri"] == target
    assert sent["HTTP_X_ONE"] == "1, 2"
    assert (sent["HTTP_X_BYTES"], sent["HTTP_COOKIE"]) == ("\xc3\x89\xff", "a=1")
    assert (sent["HTTP_HOST"], sent["CONTENT_TYPE"]) == ("a.example", "a/b")
    assert bytes.fromhex(sent["body"]) == body


def test_a_body_in_chunks_reaches_the_application_whole(instance: Instance) -> None:
    data = request("POST /echo", "Transfer-Encoding: chunked", "Connection: close")
    with send(instance, data + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") as sock:
        sent = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
    assert (bytes.fromhex(sent["body"]), sent["CONTENT_LENGTH"]) == (b"abcde", "5")


def test_the_environ_holds_the_platform_and_the_process_beneath(instance: Instance) -> None:
    """Checklist 47, 83."""
    keys = ("X-Fc-Access-Key-Id: STS.key", "X-Fc-Access-Key-Secret: s", "X-Fc-Security-Token: t")
    fields = (*keys, "X-Fc-Request-Id: 1-2-3", "X-Fc-Client-Ip: 203.0.113.9")
    sent = json.loads(ask(instance, "GET /a", *fields)[1])
    assert (sent["id"], sent["key"]) == ("1-2-3", "STS.key")
    assert sent["REMOTE_ADDR"] == "203.0.113.9"
    assert sent["SHOP_COLOUR"] == "grün".encode().decode("latin-1")
    assert sent["CONTENT_TYPE"] == "application/octet-stream"  # not the variable
    assert not {"HTTP_PROXY", "ALIBABA_CLOUD_ACCESS_KEY_ID"} & sent.keys()
    assert not [name for name in sent if name.startswith(("HTTP_X_FC_ACCESS", "HTTP_X_FC_SEC"))]
    document = json.loads(ask(instance, "GET /a", *fields, function="open")[1])
    assert document["HTTP_X_FC_ACCESS_KEY_SECRET"] == "s"
    assert document["ALIBABA_CLOUD_ACCESS_KEY_ID"] == "key-of-the-environment"


def test_the_prefix_of_fc_2_moves_only_where_it_is_this_functions(instance: Instance) -> None:
    """Checklist 25, 26."""
    named = ("X-Fc-Service-Name: market", "X-Fc-Base-Path: /2016-08-15/proxy/market/shop/a")
    for path, script, info in [
        ("/2016-08-15/proxy/market/shop/a/b", "/2016-08-15/proxy/market/shop", "/a/b"),
        ("/2016-08-15/proxy/market.v1/shop", "/2016-08-15/proxy/market.v1/shop", ""),
        ("/2016-08-15/proxy/other/shop/a", "", "/2016-08-15/proxy/other/shop/a"),
        ("/2016-08-15/proxy/market/shopping", "", "/2016-08-15/proxy/market/shopping"),
    ]:
        sent = json.loads(ask(instance, f"GET {path}", *named)[1])
        assert (sent["SCRIPT_NAME"], sent["PATH_INFO"]) == (script, info)


def test_an_answer_comes_back_as_it_was_given(instance: Instance) -> None:
    """Checklist 40, 41, 44."""
    head, body = ask(instance, "GET /fields")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")]
    assert b"never" not in head
    assert lines == [
        b"HTTP/1.1 418 I'm a teapot",
        b"Set-Cookie: a=1",
        b'ETag: "x"',
        b"Set-Cookie: b=2",
        b"X-Bytes: \xc3\x89\xff",
        b"content-type: text/plain",
        b"Content-Length: 15",
        b"x-fc-status: 200",
        b"Connection: close",
    ]
    assert body == b"short and stout"


@pytest.mark.parametrize(("sent", "counted"), [("404", b"404"), ("", b"200")])
def test_the_applications_own_status_is_what_fc_counts(
    instance: Instance, sent: str, counted: bytes
) -> None:
    head, body = ask(instance, f"GET /counted?{sent}")
    assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 500 Oops", b"counted")
    assert re.findall(rb"(?i)^x-fc-status: *(.*)\r$", head, re.MULTILINE) == [counted]


@pytest.mark.parametrize(
    ("sent", "scheme"),
    [
        ("https", "https"),
        ("http", "http"),
        ("HTTPS", "https"),
        ("http,https", "https"),  # each proxy appends: what the client says comes first
        ("https, http", "http"),
        ("javascript", "http"),
        ("", "http"),
    ],
)
def test_the_scheme_is_that_of_the_request_to_fcs_gateway(
    instance: Instance, sent: str, scheme: str
) -> None:
    document = json.loads(ask(instance, "GET /a", f"X-Forwarded-Proto: {sent}")[1])
    assert document["wsgi.url_scheme"] == scheme
    assert document["HTTP_X_FORWARDED_PROTO"] == sent


def test_an_answer_without_a_body_has_none(instance: Instance) -> None:
    """Checklist 45."""
    length = len(ask(instance, "GET /x")[1]) + 1  # HEAD is a letter longer
    head, body = ask(instance, "HEAD /x")
    assert (f"Content-Length: {length}".encode() in head, body) == (True, b"")
    head, body = ask(instance, "HEAD /body?/nowhere")
    assert (b"Content-Type: text/html" in head, body) == (True, b"")
    head, body = ask(instance, "GET /empty")
    assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 204 No Content", b"")
    assert b"transfer-encoding" not in head.lower() + body


def test_one_connection_serves_answers_of_every_kind(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "second").touch()
    (tmp_path / "third").touch()
    expected = {
        "/fields": (418, b"short and stout"),
        f"/body?{tmp_path}": (200, b"firstsecondthird"),
        "/empty": (204, b""),
    }
    with contextlib.closing(instance.connect()) as connection:
        connection.connect()
        sock = connection.sock
        for method in ("GET", "HEAD") * 2:
            for path, (status, body) in expected.items():
                connection.request(method, path, headers={"X-Fc-Function-Name": "shop"})
                response = connection.getresponse()
                sent = b"" if method == "HEAD" else body
                assert (response.status, response.read()) == (status, sent)
                assert connection.sock is sock
            connection.request(method, "/boom", headers={"X-Fc-Function-Name": "shop"})
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (500, method == "GET")
            assert connection.sock is sock


def test_each_chunk_is_sent_before_the_next_is_created(instance: Instance, tmp_path: Path) -> None:
    """Checklist 43, 62, 67."""
    before = len(instance.log)
    with send(instance, request(f"GET /body?{tmp_path}", "X-Fc-Request-Id: 7-7-7")) as sock:
        head = read_until(sock, b"5\r\nfirst\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        (tmp_path / "second").touch()
        read_until(sock, b"6\r\nsecond\r\n")
        (tmp_path / "third").touch()
        end = read_until(sock, b"0\r\n\r\n")
        log = instance.log[before:]
    assert end == b"5\r\nthird\r\n0\r\n\r\n"
    lines = [re.sub(r"^\S+Z |[\d.]+ (?=ms)", "", line) for line in log.splitlines()]
    assert lines == [
        "FC Invoke Start RequestId: 7-7-7",
        "7-7-7 [INFO] waiting for second",
        "7-7-7 [INFO] waiting for third",
        "7-7-7 [INFO] GET /body 200 ms 16 bytes",
        "FC Invoke End RequestId: 7-7-7",
    ]


def test_the_last_line_is_out_before_a_measured_body_is_complete(instance: Instance) -> None:
    before = len(instance.log)
    with send(instance, request("GET /measured?10", "X-Fc-Request-Id: 8-8-8")) as sock:
        read_until(sock, b"\r\n\r\nthreethree")
        log = instance.log[before:]
    lines = log.splitlines()
    assert lines[-3].endswith("8-8-8 [INFO] the body is made")
    assert "8-8-8 [INFO] GET /measured 200 " in lines[-2]
    assert lines[-1] == "FC Invoke End RequestId: 8-8-8"


@pytest.mark.parametrize("size", [5, 8, 11])
def test_a_body_that_differs_from_its_content_length_is_cut(instance: Instance, size: int) -> None:
    head, body = ask(instance, f"GET /measured?{size}", "X-Fc-Request-Id: 9-9-9")
    if size == 5:  # too long from the first chunk on: there is time to tell
        assert head.startswith(b"HTTP/1.1 500 ")
        assert json.loads(body)["errorType"] == "InvalidResponse"
    else:
        assert head.startswith(b"HTTP/1.1 200 ")
        assert len(body) < size
    instance.wait_for("FC Invoke End RequestId: 9-9-9, Error: Unhandled function error")


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/boom", "ValueError", "no such luck"),
        ("/exit", "SystemExit", "3"),
        ("/invalid", "InvalidResponse", "the application returned None"),
    ],
)
def test_an_error_before_the_first_bytes_is_the_error_document(
    instance: Instance, path: str, kind: str, message: str
) -> None:
    """Checklist 44."""
    head, body = ask(instance, f"GET {path}")
    document = json.loads(body)
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert b"\r\nx-fc-status: 404\r\n" in head
    assert document["errorType"] == kind
    assert document["errorMessage"].startswith(message)
    assert ask(instance, f"HEAD {path}")[1] == b""


def test_an_error_after_the_first_bytes_cuts_the_connection(instance: Instance) -> None:
    before = len(instance.log)
    head, body = ask(instance, "GET /late")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b"5\r\nbegun\r\n"  # and no end
    log = instance.log[before:]
    assert "ValueError: too late" in log
    assert log.endswith(", Error: Unhandled function error\n")
    assert log.count("[ERROR]") == 1


def test_a_cut_answer_of_unknown_length_resets_its_connection(instance: Instance) -> None:
    data = request("GET /late").replace(b"HTTP/1.1", b"HTTP/1.0")
    with send(instance, data) as sock:
        read_until(sock, b"\r\n\r\nbegun")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_client_that_disconnects_closes_the_body_and_frees_the_permit(instance: Instance) -> None:
    for _ in range(3):
        before = len(instance.log)
        with send(instance, request("GET /endless", function="narrow")) as sock:
            read_until(sock, b"xxxx")
        wait_until(lambda before=before: "closed in" in instance.log[before:])  # type: ignore[misc]
        wait_until(lambda before=before: "Invoke End" in instance.log[before:])  # type: ignore[misc]
        assert "[ERROR]" not in instance.log[before:]
        wait_until(
            lambda: ask(instance, "GET /pid", function="narrow")[0].startswith(b"HTTP/1.1 2")
        )
    pids = set(re.findall(r"closed in (\d+)", instance.log))
    assert len(pids) == 1, "the worker was kept"


def test_a_function_holds_its_permit_until_its_body_ends(
    instance: Instance, tmp_path: Path
) -> None:
    with send(instance, request(f"GET /body?{tmp_path}", function="narrow")) as sock:
        read_until(sock, b"first")
        head, body = ask(instance, "GET /pid", function="narrow")
        assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert json.loads(body)["errorType"] == "ConcurrencyExceeded"
        (tmp_path / "second").touch()
        (tmp_path / "third").touch()
        read_until(sock, b"0\r\n\r\n")
    wait_until(lambda: ask(instance, "GET /pid", function="narrow")[0].startswith(b"HTTP/1.1 2"))


def test_context_variables_of_one_request_are_not_visible_to_another(instance: Instance) -> None:
    for _ in range(6):
        _, body = ask(instance, "GET /variable")
        assert body == b"5\r\nunset\r\n7\r\n leaked\r\n0\r\n\r\n"


def test_large_header_fields_are_warned_of(instance: Instance) -> None:
    """Checklist 42."""
    head, _ = ask(instance, "GET /large", "X-Fc-Request-Id: 6-6-6")
    assert b"x" * 9000 in head
    instance.wait_for(r"6-6-6 \[WARNING\] the answer has 90\d\d bytes of header fields")


def test_the_environ_and_the_reading_of_the_answer_are_as_the_standard_wants(
    instance: Instance,
) -> None:
    for line in ("GET /pid", "POST /pid", "GET /large"):
        head, _ = ask(instance, line, function="validated")
        assert head.startswith(b"HTTP/1.1 200 "), instance.log[-2000:]


def test_events_and_web_requests_go_each_to_their_own(instance: Instance) -> None:
    """Checklist 18, 19."""
    assert ask(instance, "GET /x", function="beside")[1] == b"ready"
    assert instance.invoke("beside", b"an event").body == b"an event as an event"
    assert ask(instance, "GET /x", function="beside")[1] == b"ready"
    control = "X-Fc-Control-Path: /http-invoke"
    for line in ("POST /invoke", "POST /initialize", "GET /pre-stop", "GET /health"):
        sent = json.loads(ask(instance, line, control)[1])
        assert f"{sent['REQUEST_METHOD']} {sent['PATH_INFO']}" == line
    answer = instance.invoke("shop", b"an event")
    assert (answer.status, json.loads(answer.body)["errorType"]) == (404, "EventRequestError")
    head, body = ask(instance, "GET /x", function="events")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b'"rawPath":"/x"' in body
    head, body = ask(instance, "GET /x", function="nobody")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["errorType"] == "UnknownFunction"


def test_cookies_in_several_fields_are_joined_by_semicolons(instance: Instance) -> None:
    fields = ("Cookie: a=1; b=2", "X-One: 1", "cookie: c=3,4", "Cookie: d=5")
    sent = json.loads(ask(instance, "GET /a", *fields)[1])
    assert sent["HTTP_COOKIE"] == "a=1; b=2; c=3,4; d=5"
    event = json.loads(ask(instance, "GET /a", *fields, function="events")[1].split(b" as an ")[0])
    assert event["headers"]["Cookie"] == "a=1; b=2; c=3,4; d=5"


def test_an_application_that_cannot_be_loaded_answers_why(instance: Instance) -> None:
    head, body = ask(instance, "GET /x", function="broken")
    assert head.startswith(b"HTTP/1.1 500 ")
    document = json.loads(body)
    assert document["errorType"] == "HandlerNotFound"
    assert (
        "WSGI application 'shopp' is missing on module 'web_functions' (did you mean"
        in (document["errorMessage"])
    )


def test_a_health_check_is_answered_while_every_thread_is_busy(
    instance: Instance, tmp_path: Path
) -> None:
    """Checklist 27."""
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(send(instance, request(f"GET /body?{tmp_path}", function=name)))
            for name in ("shop", "shop", "narrow", "open")
        ]
        for sock in socks:
            read_until(sock, b"first")
        assert instance.call("GET", "/health").body == b"ok\n"
        (tmp_path / "second").touch()
        (tmp_path / "third").touch()
        for sock in socks:
            read_until(sock, b"0\r\n\r\n")


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_the_whole_answer_must_be_done_by_the_deadline(tmp_path: Path, isolation: str) -> None:
    config = f"""\
version: 1
functions:
  timed: {{wsgi: web_functions.shop, timeout: 4, isolation: {isolation}}}
"""
    gate = tmp_path / "gate"
    with running(tmp_path / "code", config) as instance:
        head, body = ask(instance, f"GET /hang?{gate}", function="timed")
        assert head.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert b"\r\nx-fc-status: 404\r\n" in head
        assert json.loads(body)["errorType"] == "FunctionTimeoutError"
        before = len(instance.log)
        head, body = ask(instance, f"GET /hang/begun?{gate}", function="timed")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == b"5\r\nbegun\r\n"
        wait_until(lambda: "function 'timed' timed out after" in instance.log[before:])
        if isolation == "thread":  # abandoned work ends on its own thread
            gate.touch()
            instance.wait_for(r"woken\n(.*\n)*.*woken")
        wait_until(
            lambda: ask(instance, "GET /pid", function="timed")[0].startswith(b"HTTP/1.1 200 ")
        )


def test_a_worker_that_dies_costs_its_own_answer_only(tmp_path: Path) -> None:
    config = "version: 1\nfunctions:\n  shop: {wsgi: web_functions.shop, isolation: process}\n"
    with running(tmp_path, config) as instance:
        pid = ask(instance, "GET /pid")[1]
        head, body = ask(instance, "GET /die")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert json.loads(body)["errorType"] == "WorkerDied"
        head, body = ask(instance, "GET /die?begun")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == b"5\r\nbegun\r\n"
        assert ask(instance, "GET /pid")[1] != pid


def test_an_edit_retires_a_function_when_its_body_has_ended(tmp_path: Path) -> None:
    config = "version: 1\nfunctions:\n  shop: {wsgi: web_functions.shop}\n"
    with running(tmp_path / "code", config) as instance:
        with send(instance, request(f"GET /body?{tmp_path}")) as sock:
            read_until(sock, b"first")
            file = tmp_path / "code" / "config" / "functions.yaml"
            file.write_text(config.replace("}", ", settings: {new: 1}}"))

            def reloaded() -> bool:
                assert ask(instance, "GET /pid")[0].startswith(b"HTTP/1.1 200 ")
                return "the configuration is reloaded" in instance.log

            wait_until(reloaded)
            (tmp_path / "second").touch()
            (tmp_path / "third").touch()
            read_until(sock, b"third\r\n0\r\n\r\n")
        assert instance.stop() == 0


def test_a_stop_lets_a_body_end(tmp_path: Path) -> None:
    config = "version: 1\nfunctions:\n  shop: {wsgi: web_functions.shop}\n"
    with running(tmp_path / "code", config) as instance:
        with send(instance, request(f"GET /body?{tmp_path}")) as sock:
            read_until(sock, b"first")
            instance.process.send_signal(signal.SIGTERM)
            (tmp_path / "second").touch()
            (tmp_path / "third").touch()
            read_until(sock, b"third\r\n0\r\n\r\n")
        assert instance.process.wait(PATIENCE) == 0


def test_strangers_are_turned_away_and_a_signed_body_still_reaches_the_application(
    tmp_path: Path,
) -> None:
    config = (
        "version: 1\nruntime: {auth: {tokens: [sixteen-letters-0]}}\n"
        "functions:\n  shop: {wsgi: web_functions.shop}\n"
    )
    with running(tmp_path, config) as instance:
        assert ask(instance, "GET /a")[0].startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        fields = ("Authorization: Bearer sixteen-letters-0",)
        sent = json.loads(ask(instance, "POST /a", *fields, body=b"abc")[1])
        assert bytes.fromhex(sent["body"]) == b"abc"


def test_credentials_of_untrusted_callers_are_ignored(tmp_path: Path) -> None:
    config = (
        "version: 1\nfunctions:\n  shop: {wsgi: web_functions.shop, expose_credentials: true}\n"
    )
    fields = (
        "X-Fc-Access-Key-Id: STS.key",
        "X-Fc-Client-Ip: 203.0.113.9",
        "X-Forwarded-Proto: https",
    )
    with running(tmp_path, config) as instance:
        sent = json.loads(ask(instance, "GET /a", *fields)[1])
        assert "HTTP_X_FC_ACCESS_KEY_ID" not in sent
        assert sent["key"] == "key-of-the-environment"
        assert sent["REMOTE_ADDR"] == "127.0.0.1"
        assert sent["wsgi.url_scheme"] == "http"
