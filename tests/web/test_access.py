"""The access line: one log record per web request, without confidential parts."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.deployed import Instance, deploy, start
from support.waiting import wait_until

SHOP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("no")
    status = "404 Not Found" if path == "/missing" else "200 OK"
    start_response(status, [])
    if path == "/cut":
        return cut()
    return [b"one", b"two"]

def cut():
    yield b"one"
    raise ValueError("no two")

def handle(event, context):
    return "event"
"""
CALL = {"x-fc-request-id": "1-2", "x-fc-function-name": "shop"}


def config(**runtime: Any) -> str:
    functions = {"shop": {"wsgi": "shop:app"}, "plain": {"handler": "shop:handle"}}
    return json.dumps({"version": 1, "runtime": runtime, "functions": functions})


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with start(deploy(tmp_path, config(), {"shop.py": SHOP})) as running:
        yield running


def lines(instance: Instance) -> list[str]:
    found: list[str] = re.findall(r"Z (\S+ \[INFO\] \S+ /\S* \d+ .* bytes)$", instance.log, re.M)
    return [re.sub(r"[\d.]+ ms", "N ms", line) for line in found]


@pytest.mark.parametrize(
    ("target", "headers", "status", "line"),
    [
        ("/hello?token=s3cret", CALL, 200, "GET /hello 200 N ms 6 bytes"),
        ("/missing", CALL, 404, "POST /missing 404 N ms 6 bytes"),
        ("/", CALL, 200, "HEAD / 200 N ms 0 bytes"),
        ("/a%0Ab%20c", CALL, 200, "GET /a%0Ab%20c 200 N ms 6 bytes"),
        ("/e", {**CALL, "x-fc-function-name": "plain"}, 200, "GET /e 200 N ms 5 bytes"),
    ],
)
def test_a_web_request_is_one_record_with_the_request_id(
    instance: Instance, target: str, headers: dict[str, str], status: int, line: str
) -> None:
    method = line.partition(" ")[0]
    answer = instance.call(method, target, headers={**headers, "authorization": "Bearer s3cret"})
    assert answer.status == status
    assert lines(instance) == [f"1-2 [INFO] {line}"]
    assert "s3cret" not in instance.log
    log = instance.log
    assert log.index("Start RequestId") < log.index(line[:8]) < log.index("End RequestId")


@pytest.mark.parametrize(
    ("target", "name", "status"), [("/raise", "shop", 500), ("/", "nobody", 404)]
)
def test_a_request_that_fails_has_the_status_and_the_size_that_the_client_gets(
    instance: Instance, target: str, name: str, status: int
) -> None:
    answer = instance.call("GET", target, headers={**CALL, "x-fc-function-name": name})
    assert answer.status == status
    assert lines(instance) == [f"1-2 [INFO] GET {target} {status} N ms {len(answer.body)} bytes"]


def test_an_answer_that_is_cut_has_the_bytes_up_to_there(instance: Instance) -> None:
    with socket.create_connection(("127.0.0.1", instance.port), timeout=60) as sock:
        sock.sendall(b"GET /cut HTTP/1.1\r\nHost: a\r\nx-fc-function-name: shop\r\n\r\n")
        while sock.recv(1 << 16):
            pass
    wait_until(lambda: lines(instance))
    assert lines(instance)[0].endswith("GET /cut 200 N ms 3 bytes")


def test_only_the_path_of_a_target_is_in_the_line_and_a_long_one_is_cut(instance: Instance) -> None:
    for target in (b"http://host/page?q=s3cret", b"/" + b"x" * 2000):
        with socket.create_connection(("127.0.0.1", instance.port), timeout=60) as sock:
            head = b"x-fc-function-name: shop\r\nConnection: close\r\n\r\n"
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: host\r\n%s" % (target, head))
            while sock.recv(1 << 16):
                pass
    wait_until(lambda: len(lines(instance)) == 2)
    assert "s3cret" not in instance.log
    assert "GET /page 200" in lines(instance)[0]
    assert len(lines(instance)[1]) < 700


def test_events_and_health_checks_have_no_line(instance: Instance) -> None:
    assert instance.invoke("plain").body == b"event"
    assert instance.call("GET", "/health").status == 200
    assert lines(instance) == []


def test_json_has_the_parts_as_fields(tmp_path: Path) -> None:
    with start(deploy(tmp_path, config(log_format="json"), {"shop.py": SHOP})) as running:
        running.call("GET", "/hello?a=b", headers=CALL)
        records = [json.loads(line) for line in running.log.splitlines() if line[:1] == "{"]
    (record,) = (each for each in records if each["logger"] == "fcplug.access")
    assert isinstance(record["ms"], float)
    named = ("requestId", "method", "path", "status", "bytes")
    assert [record[name] for name in named] == ["1-2", "GET", "/hello", 200, 6]


def listening(code: str) -> str:
    return f"""
import logging

class Listener(logging.Handler):
    def emit(self, record):
        print("listener:", record.getMessage(), record.threadName, record.process, flush=True)

{code}

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"one"]
"""


@pytest.mark.parametrize(
    "code",
    [
        "logging.getLogger().addHandler(Listener())",
        "logging.getLogger('fcplug').addHandler(Listener())",
        "logging.getLogger('fcplug.access').addHandler(Listener())",
        "logging.basicConfig(handlers=[Listener()], force=True)",
    ],
)
def test_a_handler_of_user_code_gets_a_whole_record(tmp_path: Path, code: str) -> None:
    with start(deploy(tmp_path, config(), {"shop.py": listening(code)})) as running:
        running.call("GET", "/hello", headers=CALL)
        found = re.findall(
            r"^listener: GET /hello 200 \S+ ms 3 bytes (\S+) (\d+)$", running.log, re.M
        )
    assert len(found) == 1
    assert len(lines(running)) == ("force" not in code)


@pytest.mark.parametrize(
    "code",
    [
        "logging.getLogger('fcplug.access').addFilter(lambda record: False)",
        "logging.getLogger('fcplug.access').disabled = True",
        "logging.getLogger('fcplug.access').propagate = False",
        "logging.getLogger().handlers[0].addFilter(lambda record: False)",
        "logging.getLogger().handlers[0].setLevel('ERROR')",
    ],
)
def test_user_code_can_keep_it_out_of_the_log(tmp_path: Path, code: str) -> None:
    with start(deploy(tmp_path, config(), {"shop.py": listening(code)})) as running:
        assert running.call("GET", "/hello", headers=CALL).body == b"one"
        assert running.call("GET", "/hello", headers=CALL).body == b"one"
        assert lines(running) == []


@pytest.mark.parametrize("runtime", [{"access_log": False}, {"log_level": "WARNING"}], ids=str)
def test_it_can_be_switched_off(tmp_path: Path, runtime: dict[str, Any]) -> None:
    with start(deploy(tmp_path, config(**runtime), {"shop.py": SHOP})) as running:
        assert running.call("GET", "/hello", headers=CALL).status == 200
        assert "/hello" not in running.log
