"""The API over the real platform and a runtime that is not fcplug: a program over http.server."""

import base64
import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fcplug.platform.api import ApiServer, create_app
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.emulator import Emulator
from fcplug.platform.model import FunctionConfig
from support.waiting import wait_until

RUNTIME = """
    import http.server, os

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            event = self.rfile.read(int(self.headers["content-length"]))
            retry = self.headers.get("x-fc-retry-count", "")
            print("got", event.decode(), flush=True)
            failed = event == b"fail" or (event == b"late" and retry != "1")
            self.answer(b"retry " + retry.encode(), "404" if failed else "200")

        def do_GET(self):
            self.answer(self.path.encode(), "200")

        def answer(self, body, status):
            self.send_response(200)
            self.send_header("x-fc-status", status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    port = int(os.environ["FC_SERVER_PORT"])
    http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "runtime.py").write_text(dedent(RUNTIME), "utf-8")
    command = (sys.executable, "runtime.py")
    function = FunctionConfig(name="other", folder=tmp_path, command=command, max_instances=2)
    with Emulator([function]) as platform:
        queue = AsyncQueue(platform, tmp_path / "queue.db", pause=0.01)
        server = ApiServer(create_app(platform, queue, {}), 0)
        yield server.port
        server.close()
        queue.close()


def send(port: int, method: str, path: str, body: str = "", **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, fields)
    response = connection.getresponse()
    found = response.status, response.headers, response.read()
    connection.close()
    return found


INVOCATIONS = "/2023-03-30/functions/other/invocations"


def test_the_api_calls_real_instances(port: int) -> None:
    status, headers, body = send(port, "POST", INVOCATIONS, "hello", x_fc_log_type="Tail")
    assert (status, body) == (200, b"retry 0")
    log = base64.b64decode(headers["x-fc-log-result"]).decode()
    assert "got hello\n" in log
    assert log.splitlines()[-1].startswith("Duration: ")
    assert headers["x-fc-instance-id"].startswith("c-")
    status, headers, _ = send(port, "POST", INVOCATIONS, "fail")
    assert (status, headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    _, _, body = send(port, "GET", "/2016-08-15/proxy/default/other/a/b?c=d")
    assert body == b"/a/b?c=d"


def test_an_asynchronous_call_reaches_real_instances_with_its_retry_count(port: int) -> None:
    asked = {"x_fc_invocation_type": "Async", "x_fc_async_task_id": "one"}
    assert send(port, "POST", INVOCATIONS, "late", **asked)[0] == 202

    def task() -> Any:
        return json.loads(send(port, "GET", "/2023-03-30/functions/other/async-tasks/one")[2])

    wait_until(lambda: task()["endTime"])
    assert (task()["status"], task()["returnPayload"]) == ("Succeeded", "retry 1")
    assert task()["alreadyRetriedTimes"] == 1
