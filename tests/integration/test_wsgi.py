"""The runtime as an application in other servers: gunicorn, and wsgiref with its validator."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fcplug.web.auth import Message, sign
from support.conformance import CONFIG, ENVIRONMENT, ROWS, Call, Row
from support.deployed import PATIENCE, Instance, deploy
from support.proving import FILES, OverSocket, prove

GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gthread",
            "--threads", "8", "--keep-alive", "60", "--limit-request-field_size", "16380",
            "--control-socket", "control", "fcplug.wsgi:app"]  # fmt: skip
WSGIREF = [sys.executable, "-c", """
import wsgiref.simple_server, wsgiref.validate
class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_): pass
from fcplug.wsgi import app
server = wsgiref.simple_server.make_server("127.0.0.1", 0, None, handler_class=Handler)
server.set_app(wsgiref.validate.validator(app))
print(f"Listening at: http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""]  # fmt: skip
HOOKED = """\
import os
from fcplug import hookimpl

print("imported in", os.getpid())

class Hooked:
    @hookimpl
    async def initialize(self):
        print("initialized in", os.getpid())
    @hookimpl
    def invoke(self, event):
        return f"{os.getpid()} {event.decode()}"
    @hookimpl
    def pre_stop(self):
        print("stopped in", os.getpid())
"""
FUNCTIONS = """\
version: 1
functions:
  hooked: {handler: hooked.Hooked, timeout: 60}
  isolated: {handler: hooked.Hooked, isolation: process}
"""


@contextlib.contextmanager
def served(
    folder: Path, command: Sequence[str], environ: Mapping[str, str] | None = None
) -> Iterator[Instance]:
    """Run another server in a code folder; it is ended on the way out."""
    log = folder / "instance.log"
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("FC_", "FCPLUG_", "ALIBABA"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**clean, **(environ or {})},
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    instance = Instance(process, log)
    try:
        instance.port = int(instance.wait_for(r"Listening at: http://127.0.0.1:(\d+)")[1])
        instance.wait_for("^fcplug .* under another server")
        yield instance
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


@pytest.fixture(scope="module", params=[GUNICORN, WSGIREF], ids=["gunicorn", "wsgiref"])
def target(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[OverSocket]:
    code = deploy(tmp_path_factory.mktemp("code"), CONFIG, FILES)
    with served(code, request.param, ENVIRONMENT) as instance:
        instance.call("GET", "/health")  # loaded, and the server's own lines are out
        yield OverSocket(code, instance)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_conforms(row: Row, target: OverSocket) -> None:
    prove(row._replace(calls=tuple(filter(None, map(adapted, row.calls)))), target)


def adapted(call: Call) -> Call | None:
    """Return a call without the headers that the other server adds."""
    if call.path.startswith("//"):
        return None
    return call._replace(
        fields={n: v for n, v in call.fields.items() if n not in ("server", "connection")}
    )


def write_config(folder: Path, config: str) -> Path:
    return deploy(folder, config, {"hooked.py": HOOKED})


def invoke(instance: Instance, *head: str, body: bytes = b"") -> bytes:
    """Return the whole answer of an invocation of ``hooked``."""
    lines = ["POST /invoke HTTP/1.1", "Host: a", "X-Fc-Function-Name: hooked",
             "Connection: close", *head, "", ""]  # fmt: skip
    with socket.create_connection(("127.0.0.1", instance.port), PATIENCE) as sock:
        sock.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        while part := sock.recv(65536):
            answer += part
    return answer


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with served(write_config(tmp_path_factory.mktemp("code"), FUNCTIONS), GUNICORN) as instance:
        yield instance


def test_a_header_of_fc_sent_twice_is_rejected(gunicorn: Instance) -> None:
    answer = invoke(gunicorn, "X-Fc-Function-Name: isolated", "Content-Length: 0")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"was sent twice" in answer
    assert b"isolated" not in answer


def test_a_name_with_an_underscore_does_not_pass_for_a_header_of_fc(gunicorn: Instance) -> None:
    answer = invoke(gunicorn, "x_fc_function_name: isolated", "Content-Length: 0")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_chunked_event_is_read_whole(gunicorn: Instance) -> None:
    chunks = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    assert invoke(gunicorn, "Transfer-Encoding: chunked", body=chunks).endswith(b" abcdef")


def test_a_body_announced_as_too_large_is_rejected(gunicorn: Instance) -> None:
    answer = invoke(gunicorn, f"Content-Length: {32 * 1024 * 1024 + 1}")
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.slow
def test_a_chunked_body_that_grows_too_large_is_rejected(gunicorn: Instance) -> None:
    mib = b"100000\r\n" + bytes(1024 * 1024) + b"\r\n"
    body = mib * 32 + b"1\r\nx\r\n0\r\n\r\n"
    answer = invoke(gunicorn, "Transfer-Encoding: chunked", body=body)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_clear_end_is_rejected(tmp_path: Path) -> None:
    with served(write_config(tmp_path, FUNCTIONS), WSGIREF) as instance:
        answer = invoke(instance, "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.0 411 Length Required\r\n")


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["plain", "preload"])
def test_workers_forked_before_or_after_the_import_serve_and_stop_once(
    tmp_path: Path, preload: tuple[str, ...]
) -> None:
    config = write_config(tmp_path, FUNCTIONS)
    with served(config, [*GUNICORN, "--workers", "2", *preload]) as instance:

        def said(what: str) -> list[str]:
            return [line.split()[-1] for line in instance.log.splitlines() if what in line]

        until = time.monotonic() + PATIENCE
        with ThreadPoolExecutor(16) as clients:
            while len(said("initialized in")) < 2 + 2:  # in two processes, and each one's worker
                assert time.monotonic() < until, instance.log
                answers = clients.map(instance.invoke, ["hooked", "isolated"] * 16)
                assert {answer.status for answer in answers} == {200}
        assert instance.stop() == 0
        assert sorted(said("stopped in")) == sorted(said("initialized in"))


def test_an_edit_is_taken_over_by_a_request(tmp_path: Path) -> None:
    with served(write_config(tmp_path, FUNCTIONS), GUNICORN) as instance:
        config = tmp_path / "config" / "functions.yaml"
        aside = config.with_suffix(".new")
        aside.write_text(f"{FUNCTIONS}  also: {{handler: hooked.Hooked}}\n")
        aged = time.time() - 60
        os.utime(aside, (aged, aged))
        aside.rename(config)
        until = time.monotonic() + PATIENCE
        while instance.invoke("also").status != 200:
            assert time.monotonic() < until, instance.log
            time.sleep(0.1)


def test_the_file_of_the_environment_counts_first(tmp_path: Path) -> None:
    write_config(tmp_path, "version: 2\n")
    other = tmp_path / "other.yaml"
    other.write_text(FUNCTIONS)
    with served(tmp_path, WSGIREF, {"FCPLUG_CONFIG": str(other)}) as instance:
        assert invoke(instance, "Content-Length: 0").startswith(b"HTTP/1.0 200 ")


def test_a_wrong_configuration_ends_the_server_with_the_report(tmp_path: Path) -> None:
    write_config(tmp_path, FUNCTIONS.replace("timeout: 60", "timeuot: 60"))
    ended = subprocess.run(
        GUNICORN, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 3  # gunicorn's own: it does not start workers that cannot boot
    report = (
        "functions.yaml:3:36: functions.hooked: unknown key 'timeuot' (did you mean 'timeout'?)"
    )
    assert f"config/{report}" in ended.stderr


def test_a_signature_covers_the_query_and_counts_once_in_all_workers(tmp_path: Path) -> None:
    key = "a-key-of-some-length"
    runtime = f"runtime: {{auth: {{keys: [{key}]}}}}\n"
    folder = write_config(tmp_path, FUNCTIONS.replace("functions:", f"{runtime}functions:", 1))
    command = [*GUNICORN[:-1], "--workers", "2", GUNICORN[-1]]
    with served(folder, command, {"TMPDIR": str(tmp_path)}) as instance:
        fields = {"x-fc-control-path": "/invoke", "x-fc-function-name": "hooked"}

        def status(target: str, number: int) -> int:
            return instance.call("POST", target, b"x", sent[number]).status

        sent = []
        for number in range(10):
            headers = {**fields, "x-fc-request-id": f"r-{number}"}
            message = Message("POST", "/a%20b?x=1", headers, b"x")
            headers["x-fcplug-signature"] = sign(key, int(time.time()), message)
            sent.append(headers)
        for number in range(10):
            assert status("/a%20b?x=2", number) == 401
            with ThreadPoolExecutor(8) as threads:
                statuses = [*threads.map(status, ["/a%20b?x=1"] * 8, [number] * 8)]
            assert sorted(statuses) == [200, *[401] * 7]
