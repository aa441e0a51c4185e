"""ASGI applications in whole instances: in threads, with a deadline, and in workers."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.deployed import CODE, PATIENCE, Answer, Instance, deploy, start
from support.waiting import wait_until

MODULE = "asgi_functions.py"
CONFIG = """\
version: 1
runtime: {{threads: 8, trust_callers: true}}
defaults: {defaults}
functions:
  shop: {{asgi: asgi_functions.shop, handler: asgi_functions.handle, settings: {{shelf: oak}}}}
  plain: {{asgi: asgi_functions.plain}}
  gone: {{asgi: "asgi_functions:gone"}}
  tired: {{asgi: "asgi_functions:tired"}}
"""
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
    assert "never retrieved" not in instance.log
    assert "was destroyed" not in instance.log
    assert "never awaited" not in instance.log


@contextlib.contextmanager
def running(folder: Path, config: str, module: str = MODULE) -> Iterator[Instance]:
    deploy(folder, config, {module: (CODE / module).read_text()})
    with start(folder) as instance:
        yield instance


def ask(
    instance: Instance, path: str, body: bytes | None = None, function: str = "shop", **more: str
) -> Answer:
    headers = {"x-fc-function-name": function, **{k.replace("_", "-"): v for k, v in more.items()}}
    return instance.call("GET" if body is None else "POST", path, body, headers)


def connect(instance: Instance, line: str, *fields: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", instance.port), timeout=PATIENCE)
    head = [f"{line} HTTP/1.1", "Host: a.example", "X-Fc-Function-Name: shop", *fields, "", ""]
    sock.sendall("\r\n".join(head).encode("latin-1"))
    return sock


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


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_request_reaches_the_application_byte_for_byte(instance: Instance, method: str) -> None:
    # 39, 45
    target = "//a/%2F/%C3%A9%ff;b?x=%20&y=%ff"
    fields = ("X-One: 1", "x-one: 2", "X-Bytes: \xc3\x89\xff", "Content-Type: a/b")
    keys = ("X-Fc-Request-Id: 1-2", "X-Fc-Access-Key-Id: STS.key", "X-Fc-Client-Ip: 203.0.113.9")
    line = f"{method} /scope{target}"
    more = (*fields, *keys, "Transfer-Encoding: chunked", "Connection: close")
    with connect(instance, line, *more) as sock:
        sock.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        answer = read_all(sock)
    sent = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    assert (sent["type"], sent["method"], sent["http_version"]) == ("http", method, "1.1")
    assert sent["path"] == "/scope//a///\u00e9\ufffd;b"
    assert (sent["raw_path"], sent["query_string"]) == (f"/scope{target[:19]}", "x=%20&y=%ff")
    assert (sent["root_path"], sent["scheme"]) == ("", "http")
    assert sent["client"][0] == "203.0.113.9"
    assert sent["server"][1] == instance.port
    headers = dict(sent["headers"])
    assert headers["x-one"] == "1, 2"
    assert headers["x-bytes"] == "\xc3\x89\xff"
    assert (headers["host"], headers["content-type"]) == ("a.example", "a/b")
    assert "x-fc-access-key-id" not in headers
    assert (sent["fc.context"], sent["key"]) == ("1-2", "STS.key")
    assert bytes.fromhex(sent["body"]) == b"abcde"
    assert sent["asgi"]["version"] == "3.0"


def test_cookies_in_several_fields_stay_apart(instance: Instance) -> None:
    fields = ("Cookie: a=1; b=2", "X-One: 1", "Cookie: c=3,4")
    with connect(instance, "GET /scope", *fields, "Connection: close") as sock:
        answer = read_all(sock)
    sent = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    assert [value for name, value in sent["headers"] if name == "cookie"] == ["a=1; b=2", "c=3,4"]


def test_the_scheme_is_that_of_the_request_to_fcs_gateway(instance: Instance) -> None:
    answer = ask(instance, "/scope", X_Forwarded_Proto="https")
    assert json.loads(answer.body)["scheme"] == "https"


def test_an_absolute_target_and_the_prefix_of_fc_2_are_understood(instance: Instance) -> None:
    # 26
    prefix = "/2016-08-15/proxy/market/shop"
    for target in (f"{prefix}/scope/a", f"http://a.example{prefix}/scope/a?b"):
        line = f"GET {target}"
        with connect(instance, line, "X-Fc-Service-Name: market", "Connection: close") as sock:
            head = read_all(sock)
        assert b'"errorType": "KeyError"' in head  # this path is looked for below its root
        assert b"2016-08-15" in head


def test_state_of_the_startup_is_in_every_scope_and_what_a_request_adds_is_not(
    instance: Instance,
) -> None:
    first, second = (json.loads(ask(instance, "/scope").body)["state"] for _ in range(2))
    assert first["opened"] == second["opened"] == "oak"
    assert {*first} == {*second} == {"opened", "seen", "own"}
    assert "own" not in json.loads(ask(instance, "/scope").body)["state"]["seen"]


def test_tasks_of_the_application_see_its_variables_and_log_its_request(
    instance: Instance,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(
            lambda n: ask(instance, f"/scope/{n}", x_fc_request_id=f"ask-{n}"), range(16)
        ):
            assert answer.status == 200
    for number in range(16):
        instance.wait_for(rf"Z ask-{number} \[WARNING\] asked for /scope/{number}$")


def test_each_chunk_is_sent_before_the_next_is_created(instance: Instance, tmp_path: Path) -> None:
    # 43
    with connect(instance, f"GET /stream?{tmp_path}", "X-Fc-Request-Id: 7-7-7") as sock:
        for number in range(3):
            data = read_until(sock, b"1\r\n%d\r\n" % number)
            assert number or b"Transfer-Encoding: chunked" in data
            assert b"1\r\n%d\r\n" % (number + 1) not in data
            (tmp_path / str(number)).touch()
        assert read_until(sock, b"0\r\n\r\n") == b"0\r\n\r\n"
        instance.wait_for("^FC Invoke End RequestId: 7-7-7$")


def test_chunks_of_several_tasks_at_once_all_arrive(instance: Instance) -> None:
    assert ask(instance, "/together").body == b"xxxxxxxxxy"


def test_an_answer_comes_back_as_it_was_given(instance: Instance) -> None:
    # 40, 41
    for method, body in (("GET", b"12345"), ("HEAD", b"")):
        with connect(instance, f"{method} /fields", "Connection: close") as sock:
            head, _, rest = read_all(sock).partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")]
        assert lines == [
            b"HTTP/1.1 201 Created",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"X-Bytes: \xc3\x89\xff",
            b"content-length: 5",
            b"x-fc-status: 200",
            b"Connection: close",
        ]
        assert rest == body


def test_a_body_of_32_mib_goes_both_ways(instance: Instance) -> None:
    sent = bytes(range(256)) * (1 << 12)
    assert json.loads(ask(instance, "/scope", sent).body)["body"] == sent.hex()
    answer = ask(instance, "/large")
    assert answer.body == b"".join(bytes([number % 251]) * 65536 for number in range(512))


def test_an_application_waits_for_a_client_that_reads_slowly(instance: Instance) -> None:
    before = instance.log.count("made ")
    with connect(instance, "GET /large") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        read_until(sock, b"\r\n\r\n")
        wait_until(lambda: instance.log.count("made ") > before)
        time.sleep(0.3)  # it could make all in less
        assert instance.log.count("made ") < before + 8
        while len(sock.recv(1 << 20)) > 0 and instance.log.count("made ") < before + 8:
            pass


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/fail", "ValueError", "no such luck"),
        ("/leave", "SystemExit", "3"),
        ("/cancel", "CancelledError", ""),
        ("/nothing", "InvalidResponse", "the application ended before its answer was complete"),
        (
            "/body-first",
            "InvalidResponse",
            "the application sent 'http.response.body' in the wrong order",
        ),
        ("/text-headers", "InvalidResponse", "the headers are not pairs of bytes"),
        ("/no-status", "InvalidResponse", "the status is 'None Unknown'"),
    ],
)
def test_an_error_before_the_first_bytes_is_the_error_document(
    instance: Instance, path: str, kind: str, message: str
) -> None:
    # 44
    answer = ask(instance, path)
    document = json.loads(answer.body)
    assert (answer.status, answer.headers["x-fc-status"]) == (500, "404")
    assert document["errorType"] == kind
    assert document["errorMessage"].startswith(message)
    if kind == "ValueError":
        assert [frame[2] for frame in document["stackTrace"]] == ["in shop", "in fail"]
    assert ask(instance, "/scope").status == 200


@pytest.mark.parametrize("path", ["/fail-later", "/half"])
def test_an_error_after_the_first_bytes_cuts_the_connection(instance: Instance, path: str) -> None:
    with connect(instance, f"GET {path}", f"X-Fc-Request-Id: cut{path[1:]}") as sock:
        data = read_all(sock)
    assert b"5\r\nfirst\r\n" in data
    assert b"0\r\n\r\n" not in data
    instance.wait_for(f"End RequestId: cut{path[1:]}, Error: Unhandled function error")


def test_an_error_after_the_answer_is_logged_and_the_answer_stands(instance: Instance) -> None:
    answer = ask(instance, "/fail-after", x_fc_request_id="1-after")
    assert (answer.status, answer.headers["x-fc-status"]) == (500, "200")
    assert answer.body == b"the shop's own page"
    instance.wait_for(r"1-after \[ERROR\] raised after the answer was complete:")
    instance.wait_for("^ValueError: written to the log$")


def test_background_tasks_end_before_the_request_does(instance: Instance) -> None:
    answer = ask(instance, "/background", x_fc_request_id="1-back")
    assert answer.body == b"done"
    instance.wait_for("(?s)background done\n.*^FC Invoke End RequestId: 1-back$")


def test_receive_after_the_answer_returns_a_disconnect(instance: Instance) -> None:
    answer = ask(instance, "/odd-status")
    assert (answer.status, answer.body) == (299, b"")
    instance.wait_for("^disconnected$")


@pytest.mark.parametrize("how", ["", "?stay"])
def test_a_client_that_disconnects_ends_the_application(instance: Instance, how: str) -> None:
    before = len(instance.log)
    with connect(instance, f"GET /endless{how}") as sock:
        read_until(sock, b"xxxx")
        reset = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    wait_until(lambda: "Invoke End" in instance.log[before:])
    log = instance.log[before:]
    assert "told http.disconnect, ConnectionResetError" in log
    assert ("sent away" in log) == bool(how)
    assert "[ERROR]" not in log
    assert ask(instance, "/scope").status == 200


def test_a_websocket_request_is_rejected_with_a_reason(instance: Instance) -> None:
    answer = ask(instance, "/scope", upgrade="websocket", connection="upgrade")
    assert answer.status == 501
    assert b"WebSocket is not supported" in answer.body


def test_an_application_without_a_lifespan_is_fine(instance: Instance) -> None:
    answer = ask(instance, "/", function="plain")
    assert (answer.status, answer.body, answer.headers["state"]) == (200, b"plain", "{}")
    instance.wait_for("the application does not support lifespan: AssertionError")
    assert ask(instance, "/", function="gone").body == b"gone"


def test_events_go_to_the_handler_beside_the_application(instance: Instance) -> None:
    assert instance.invoke("shop", b"event").body == b"event"
    refused = instance.invoke("plain", b"event")
    assert json.loads(refused.body)["errorType"] == "EventRequestError"


def test_the_shutdown_is_the_functions_stop(instance: Instance) -> None:
    for function in ("shop", "gone"):
        assert ask(instance, "/scope", function=function).status == 200
    assert instance.call("GET", "/pre-stop").status == 200
    instance.wait_for("^shop closed$")
    before = instance.log.count("shop opened")
    assert ask(instance, "/scope").status == 200
    wait_until(lambda: instance.log.count("shop opened") > before)


def test_a_failing_shutdown_is_logged(instance: Instance) -> None:
    assert ask(instance, "/", function="tired").body == b"tired"
    answer = instance.call("GET", "/pre-stop")
    assert json.loads(answer.body)["errorType"] == "LookupError"
    instance.wait_for("LookupError: nothing to close")


SMALL = """\
version: 1
runtime: {{trust_callers: true}}
functions:
  shop: {{asgi: asgi_functions.{name}, {more}}}
"""


def test_an_error_that_is_false_as_a_condition_is_an_error(instance: Instance) -> None:
    document = json.loads(ask(instance, "/fail-empty").body)
    assert (document["errorType"], document["errorMessage"]) == ("NoItems", "the shelf is empty")


def test_an_error_of_the_lifespan_that_is_false_as_a_condition_is_an_error(tmp_path: Path) -> None:
    parts = ("empty_startup", "empty_shutdown", "empty_lifespan")
    functions = "".join(f"  {name}: {{asgi: asgi_functions.{name}}}\n" for name in parts)
    with running(tmp_path, f"version: 1\nfunctions:\n{functions}") as instance:
        failed = ask(instance, "/", x_fc_function_name="empty_startup")
        assert json.loads(failed.body)["errorType"] == "NoItems"
        for name in ("empty_shutdown", "empty_lifespan"):
            assert ask(instance, "/", x_fc_function_name=name).body == b"open"
        instance.wait_for("does not support lifespan: NoItems: the shelf is empty")
        instance.stop()
        instance.wait_for("^[^ ]*NoItems: the shelf is empty$")


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("raises", [False, True], ids=["says so", "raises too"])
def test_a_startup_that_fails_is_the_initialize_error_and_is_tried_again(
    tmp_path: Path, isolation: str, raises: bool
) -> None:
    # 51
    (tmp_path / "fail-startup").touch()
    if raises:
        (tmp_path / "raise-too").touch()
    config = SMALL.format(name="shop", more=f"isolation: {isolation}")
    with running(tmp_path, config) as instance:
        failed = ask(instance, "/scope", x_fc_request_id="1-1")
        document = json.loads(failed.body)
        if raises:
            assert (document["errorType"], document["errorMessage"]) == (
                "LookupError",
                "no database at all",
            )
        else:
            assert document["errorType"] == "LifespanFailed"
            assert document["errorMessage"] == "the application's startup failed: no database"
        instance.wait_for("^FC Initialize End RequestId: 1-1, Error: Unhandled function error$")
        assert ask(instance, "/scope").status == 200
        assert instance.stop() == 0
        assert instance.log.count("shop closed") == 1


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_late_answer_is_ended_at_the_deadline_and_its_clean_up_runs(
    tmp_path: Path, isolation: str
) -> None:
    config = SMALL.format(
        name="shop", more=f"timeout: 2, concurrency: 1, queue: 1, isolation: {isolation}"
    )
    with running(tmp_path, config) as instance:
        wait_until(lambda: ask(instance, "/fields").status == 201)
        late = ask(instance, "/sleep")
        assert (late.status, json.loads(late.body)["errorType"]) == (504, "FunctionTimeoutError")
        if isolation == "thread":
            instance.wait_for("cleaned up\n")
            instance.wait_for("'shop', abandoned before, has now returned")
            assert "in sleep\n    await asyncio.sleep(1000)" in instance.log
        wait_until(lambda: ask(instance, "/fields").status == 201)  # the place is free again
        with connect(instance, "GET /sleep-later") as sock:
            data = read_all(sock)
        assert b"5\r\nfirst\r\n" in data
        assert b"0\r\n\r\n" not in data
        if isolation == "thread":
            wait_until(lambda: instance.log.count("cleaned up\n") == 2)
        wait_until(lambda: ask(instance, "/fields").status == 201)


def test_a_late_startup_is_cancelled_and_tried_again(tmp_path: Path) -> None:
    config = SMALL.format(name="slow_start", more="timeout: 2")
    with running(tmp_path, config) as instance:
        assert json.loads(ask(instance, "/").body)["errorType"] == "FunctionTimeoutError"
        instance.wait_for("startup cancelled")
        wait_until(lambda: ask(instance, "/").body == b"started")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PATHS", "an object of type dict cannot be called"),
        ("asked", "cannot be called"),
        ("Path", "Path is not a coroutine function, as ASGI 3 applications are"),
    ],
)
def test_an_object_that_is_not_an_asgi_application_is_rejected(
    tmp_path: Path, name: str, message: str
) -> None:
    with running(tmp_path, SMALL.format(name=name, more="timeout: 60")) as instance:
        document = json.loads(ask(instance, "/").body)
        assert document["errorType"] == "PluginInvalid"
        assert message in document["errorMessage"]
