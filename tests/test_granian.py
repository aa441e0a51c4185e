"""Instances that granian serves: the same contract, the same door, the same way out."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conformance import CONFIG, ENVIRONMENT, ROWS, Call, Row
from deployed import CODE, PATIENCE, Instance, deploy, start
from fcplug import granian
from proving import FILES, OverSocket, prove

MIB = 1024 * 1024
MODULE = "granian_functions.py"
SETTINGS = "threads: 4, drain_timeout: 20"
FUNCTIONS = """\
version: 1
runtime: {{server: granian, {settings}}}
functions:
  echo: {{handler: granian_functions.echo}}
  waiting: {{handler: granian_functions.waiting}}
  hanging: {{handler: granian_functions.hanging}}
  hooked: {{handler: granian_functions.Hooked}}
  web: {{wsgi: granian_functions.web}}
"""


@pytest.fixture(scope="module")
def over_granian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverSocket]:
    config = CONFIG.replace("runtime: {", "runtime: {server: granian, ", 1)
    code = deploy(tmp_path_factory.mktemp("code"), config, FILES)
    with start(code, environ=ENVIRONMENT) as instance:
        yield OverSocket(code, instance)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_conforms(row: Row, over_granian: OverSocket) -> None:
    prove(row._replace(calls=tuple(map(named, row.calls))), over_granian)


def named(call: Call) -> Call:
    """Return a call whose answer bears granian's name, not the application's and not none."""
    names = dict.fromkeys(call.fields.keys() & {"server"}, "granian")
    return call._replace(fields={**call.fields, **names})


@contextlib.contextmanager
def running(folder: Path, settings: str = SETTINGS) -> Iterator[Instance]:
    config = FUNCTIONS.format(settings=settings)
    with start(deploy(folder, config, {MODULE: (CODE / MODULE).read_text()})) as instance:
        yield instance


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("code")) as instance:
        yield instance


def wait_until(claim: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.01)


def send(instance: Instance, data: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", instance.port), timeout=PATIENCE)
    sock.sendall(data)
    return sock


def get(path: str, *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", "X-Fc-Function-Name: web", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(function: str, length: int, *fields: str) -> bytes:
    lines = ["POST /invoke HTTP/1.1", "Host: a", f"X-Fc-Function-Name: {function}",
             f"Content-Length: {length}", *fields, "", ""]  # fmt: skip
    return "\r\n".join(lines).encode()


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


def test_overlapping_invocations_keep_their_answers_apart(instance: Instance) -> None:
    def invoke(number: int) -> bool:
        return instance.invoke("echo", b"%d" % number).body == b"%d" % number

    with ThreadPoolExecutor(100) as clients:
        assert all(clients.map(invoke, range(400)))


def test_more_requests_than_threads_wait_in_line_while_health_checks_do_not(
    instance: Instance, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(12) as clients:
        waiting = [clients.submit(instance.invoke, "waiting", bytes(gate)) for _ in range(12)]
        wait_until(lambda: len(list(tmp_path.iterdir())) == 4)
        for _ in range(5):
            assert instance.call("GET", "/health").body == b"ok\n"
        assert len(list(tmp_path.iterdir())) == 4
        gate.touch()
        assert {call.result().body for call in waiting} == {b"waited"}
    assert len(list(tmp_path.glob("gate.*"))) == 12


def test_one_connection_serves_many_requests_even_after_failures(instance: Instance) -> None:
    with contextlib.closing(instance.connect()) as connection:
        ports = set()
        for name, status in [("echo", 200), ("nobody", 404), ("web", 404), ("echo", 200)] * 5:
            connection.request("POST", "/invoke", b"x", {"x-fc-function-name": name})
            response = connection.getresponse()
            assert (response.status, len(response.read()) > 0) == (status, True)
            assert connection.sock is not None
            ports.add(connection.sock.getsockname()[1])
        assert len(ports) == 1


@pytest.mark.slow
def test_an_idle_connection_stays_open(instance: Instance) -> None:
    with contextlib.closing(instance.connect()) as connection:
        for pause in (0, 65):
            time.sleep(pause)
            connection.request("POST", "/invoke", b"x", {"x-fc-function-name": "echo"})
            assert connection.getresponse().read() == b"x"


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_an_event_of_32_mib_goes_in_and_out_and_a_byte_more_is_refused(
    instance: Instance, chunked: bool
) -> None:
    event = os.urandom(MIB) * 32
    with contextlib.closing(instance.connect(60)) as connection:
        for body, status in ((event, 200), (event + b"x", 413), (b"small", 200)):
            parts = (body[at : at + MIB] for at in range(0, len(body), MIB))
            headers = {"x-fc-function-name": "echo"}
            if chunked:
                headers["Transfer-Encoding"] = "chunked"
            connection.request(
                "POST", "/invoke", parts if chunked else body, headers, encode_chunked=chunked
            )
            response = connection.getresponse()
            answer = response.read()
            assert response.status == status
            if status == 200:
                assert answer == body
            else:
                assert json.loads(answer)["errorType"] == "PayloadTooLarge"


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(instance: Instance) -> None:
    head = f"POST /invoke HTTP/1.1\r\nHost: a\r\nContent-Length: {64 * MIB}\r\n"
    with send(instance, f"{head}Expect: 100-continue\r\n\r\n".encode()) as sock:
        assert read_until(sock, b"}").startswith(b"HTTP/1.1 413 ")


HOSTILE = {
    "a header of FC twice": (400, b"X-Fc-Function-Name: web\r\n", b""),
    "the host twice": (400, b"Host: b\r\n", b""),
    "a crooked host": (400, b"", b"Host: a b\r\n"),
    "no host": (400, b"", b"X: y\r\n"),
    "a folded line": (400, b"X: y\r\n z\r\n", b""),
    "a space before the colon": (400, b"X : y\r\n", b""),
    "a control character": (400, b"X: y\x01\r\n", b""),
    "a bare CR": (400, b"X: y\rz\r\n", b""),
    "two lengths": (400, b"Content-Length: 1\r\nContent-Length: 2\r\n", b""),
    "a signed length": (400, b"Content-Length: +1\r\n", b""),
    "another coding": (501, b"Transfer-Encoding: gzip, chunked\r\n", b""),
    "chunked twice": (501, b"Transfer-Encoding: chunked, chunked\r\n", b""),
    "too many fields": (431, b"X: y\r\n" * 120, b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_head_is_refused_and_not_repeated(instance: Instance, name: str) -> None:
    status, fields, instead = HOSTILE[name]
    secret = b"Authorization: Bearer a-secret-of-the-client\r\nX-Fc-Function-Name: web\r\n"
    before = len(instance.log)
    head = b"GET /environ HTTP/1.1\r\n" + (instead or b"Host: a\r\n") + secret + fields + b"\r\n"
    with send(instance, head + b"0\r\n\r\n") as sock:
        answer = read_until(sock, b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"a-secret" not in answer
    assert "a-secret" not in instance.log[before:]
    assert instance.invoke("echo", b"x").body == b"x"


def test_what_is_no_request_at_all_is_refused(instance: Instance) -> None:
    for data in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"):  # fmt: skip
        with send(instance, data) as sock:
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))


def test_a_body_that_is_malformed_or_too_short_is_refused(instance: Instance) -> None:
    head = b"POST /invoke HTTP/1.1\r\nHost: a\r\nX-Fc-Function-Name: echo\r\n"
    for rest in (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"Content-Length: 9\r\n\r\nabc"):
        before = len(instance.log)
        with send(instance, head + rest) as sock:
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        assert "Invoke Start" not in instance.log[before:]


def test_a_body_in_many_small_chunks_is_read_whole(instance: Instance) -> None:
    head = b"POST /invoke HTTP/1.1\r\nHost: a\r\nX-Fc-Function-Name: echo\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % (65 + n % 26) for n in range(3000))
    with send(instance, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n") as s:
        answer = read_until(s, b"XYZABCDEFGHIJ")
        while len(answer.partition(b"\r\n\r\n")[2]) < 3000:
            answer += s.recv(65536)
    assert answer.partition(b"\r\n\r\n")[2] == b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 115 + b"ABCDEFGHIJ"


def test_a_length_beside_a_coding_hides_no_second_request(instance: Instance) -> None:
    first = b"POST /environ HTTP/1.1\r\nHost: a\r\nX-Fc-Function-Name: web\r\n"
    first += b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with send(instance, first + get("/environ?hidden")) as sock:
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"hidden" not in answer


def test_a_name_with_an_underscore_does_not_pass_for_a_header_of_fc(instance: Instance) -> None:
    with send(instance, get("/environ", "x_fc_function_name: echo", "X_Fc_Control_Path: /invoke",
                            "X-One: 1", "x-one: 2", "Connection: close")) as sock:  # fmt: skip
        told = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
    assert told["HTTP_X_FC_FUNCTION_NAME"] == "web"
    assert "HTTP_X_FC_CONTROL_PATH" not in told
    assert told["HTTP_X_ONE"] == "1, 2"


def test_a_request_reaches_the_application_byte_for_byte(instance: Instance) -> None:
    target = "/environ//a/%2F/%C3%A9%ff;b?x=%20&y=%ff"
    with send(instance, get(target, "X-Bytes: \xc3\xff", "Connection: close")) as sock:
        told = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
    assert told["PATH_INFO"] == "/environ//a///\xc3\xa9\xff;b"
    assert (told["QUERY_STRING"], told["REQUEST_URI"]) == ("x=%20&y=%ff", target)
    assert (told["HTTP_X_BYTES"], told["SERVER_PROTOCOL"]) == ("\xc3\xff", "HTTP/1.1")


def test_each_chunk_is_out_before_the_next_is_made(instance: Instance, tmp_path: Path) -> None:
    with send(instance, get(f"/stream?{tmp_path}")) as sock:
        assert b"part 2" not in read_until(sock, b"part 1,")
        (tmp_path / "second").touch()
        assert b"part 2," in read_until(sock, b"\r\n0\r\n\r\n")
        sock.sendall(get("/environ"))
        assert b"HTTP/1.1 200 " in read_until(sock, b"}")
    assert (tmp_path / "closed").exists()


def test_a_body_that_fails_is_cut(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "second").touch()
    with send(instance, get(f"/failing?{tmp_path}")) as sock:
        answer = read_all(sock)
    assert b"part 2," in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert "ValueError: no third part" in instance.log


def test_a_body_is_made_no_faster_than_it_is_read_and_ends_when_its_client_goes(
    instance: Instance, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    with send(instance, get(f"/endless?{tmp_path}")) as sock:
        read_until(sock, b"xxx")
        count = 0
        while count != (count := made.stat().st_size):
            time.sleep(0.5)  # the kernel's buffers are full when no more is made
        assert 0 < count < 1000
    wait_until((tmp_path / "closed").exists)


def test_a_client_that_goes_in_the_middle_of_a_body_costs_nobody_anything(
    instance: Instance,
) -> None:
    for _ in range(20):
        with send(instance, post("echo", 6) + b"abc"):
            pass
    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(lambda _: instance.invoke("echo", b"x").body, range(20))) == {b"x"}


def test_what_was_accepted_before_the_stop_is_answered_and_stop_hooks_run_once(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    with running(tmp_path / "code") as instance, contextlib.ExitStack() as connections:
        instance.invoke("hooked")
        upload = connections.enter_context(send(instance, post("echo", 6, "Expect: 100-continue")))
        read_until(upload, b"HTTP/1.1 100 Continue\r\n\r\n")
        upload.sendall(b"abc")
        event = bytes(gate)
        waiting = [
            connections.enter_context(send(instance, post("waiting", len(event)) + event))
            for _ in range(8)
        ]
        wait_until(lambda: len(list(tmp_path.glob("gate.*"))) == 4)  # and 4 in line
        instance.process.send_signal(signal.SIGTERM)
        upload.sendall(b"def")
        threading.Timer(1.5, gate.touch).start()
        assert read_all(upload).endswith(b"abcdef")
        assert [read_all(sock).endswith(b"waited") for sock in waiting] == [True] * 8
        assert instance.process.wait(PATIENCE) == 0
        assert instance.log.count("stopped in") == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", instance.port), timeout=PATIENCE)


def test_what_does_not_end_in_time_is_abandoned(tmp_path: Path) -> None:
    with running(tmp_path / "code", "drain_timeout: 2") as instance:
        event = bytes(tmp_path / "never")
        with send(instance, post("waiting", len(event)) + event):
            wait_until(lambda: list(tmp_path.glob("never.*")))
            assert instance.stop() == 1
        assert "abandoned: 1 requests" in instance.log


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "code") as instance:
        event = bytes(tmp_path / "never")
        with send(instance, post("waiting", len(event)) + event):
            wait_until(lambda: list(tmp_path.glob("never.*")))
            while instance.process.poll() is None:  # two that come at once are one
                instance.process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
            assert instance.process.returncode == 143


def test_a_hang_up_takes_an_edit_over(tmp_path: Path) -> None:
    with running(tmp_path / "code") as instance:
        config = tmp_path / "code" / "config" / "functions.yaml"
        text = config.read_text().replace(
            "  echo:", "  also: {handler: granian_functions.echo}\n  echo:"
        )
        aside = config.with_suffix(".new")
        aside.write_text(text)
        then = time.time() - 60
        os.utime(aside, (then, then))
        aside.rename(config)
        instance.process.send_signal(signal.SIGHUP)
        wait_until(lambda: instance.invoke("also", b"x").body == b"x")
        assert instance.stop() == 0


def test_hooks_reach_every_process_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path / "code", "processes: 2, drain_timeout: 5") as instance:

        def pids(what: str) -> set[str]:
            return {line.split()[-1] for line in instance.log.splitlines() if line.startswith(what)}

        header = {"x-fc-function-name": "hooked"}
        wait_until(lambda: instance.call("POST", "/initialize", b"", header).status == 200
                   and len(pids("initialized in")) == 2)  # fmt: skip
        first = int(instance.invoke("hooked").body)
        os.kill(first, signal.SIGKILL)
        instance.wait_for(rf"process {first} ended")
        assert int(instance.invoke("hooked").body) != first
        assert instance.stop() == 0
        assert len(pids("stopped in")) >= 1
        assert "no fork may copy" not in instance.log


@pytest.mark.slow
def test_a_hang_that_holds_the_gil_ends_the_process(tmp_path: Path) -> None:
    with running(tmp_path / "code", "watchdog: 3") as instance:
        with send(instance, post("hanging", 0)):
            assert instance.process.wait(60) == -signal.SIGALRM
        assert 'granian_functions.py", line' in instance.log


@pytest.mark.parametrize(
    ("native", "what"),
    [("raise ImportError('no wheel')", "is not installed"), ("__version__ = '3.0.1'", "is 3.0.1")],
)
def test_without_granian_it_is_said_what_to_install(tmp_path: Path, native: str, what: str) -> None:
    config = FUNCTIONS.format(settings=SETTINGS)
    code = deploy(tmp_path, config, {MODULE: (CODE / MODULE).read_text()})
    (code / "granian").mkdir()
    (code / "granian" / "__init__.py").touch()
    (code / "granian" / "_granian.py").write_text(native)
    ended = subprocess.run(
        [sys.executable, "-m", "fcplug", "serve", "--port", "0"],
        cwd=code, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert what in ended.stderr
    assert ended.stderr.endswith("pip install 'fcplug[granian]'\n")
    assert len(ended.stderr.splitlines()) == 1


APPS = """\
import os
from fcplug import granian, server

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise SystemExit(3)
    if path == "/silent":
        return []
    odd = [("X-Odd", "\\u20ac")] if path == "/odd" else []
    start_response("200 OK", [("Content-Type", "text/plain"), *odd])
    return parts(path)

def parts(path):
    yield b"first,"
    if path == "/failing":
        raise ValueError("no second part")
    yield b"second"

sock = server.bind("127.0.0.1", 0)
print(sock.getsockname()[1], flush=True)
os._exit(granian.serve(
    app, sock, server.Limits(threads=2), express=lambda *_: False, on_stop=lambda: None
))
"""


def test_an_application_that_fails_is_answered_for_and_never_with_500() -> None:
    with subprocess.Popen([sys.executable, "-c", APPS], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            answers = {}
            for path in ("/whole", "/raises", "/silent", "/odd", "/failing", "/whole"):
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                    sock.sendall(get(path, "Connection: close"))
                    answers[path] = read_all(sock)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert answers["/whole"].endswith(b"first,\r\n6\r\nsecond\r\n0\r\n\r\n")
    for path in ("/raises", "/silent", "/odd"):
        assert answers[path].startswith(b"HTTP/1.1 404 "), path
        assert b"InternalError" in answers[path]
    assert b"first," in answers["/failing"]
    assert not answers["/failing"].endswith(b"0\r\n\r\n")


def test_granian_has_what_is_used_of_it() -> None:
    native = granian.require()
    for name in ("ASGIWorker", "CallbackScheduler", "SocketHolder", "WorkerSignal"):
        assert hasattr(native, name)
    assert hasattr(native.CallbackScheduler, "_schedule_fn")
    assert {"receive", "send"} <= vars(native.ASGIHTTPProtocol).keys()
