"""Web answers passed on as the function makes them, over a runtime that is not fcplug."""

import http.client
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from fcplug.platform.api import ApiServer, create_app
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.emulator import Emulator
from fcplug.platform.model import FunctionConfig, Outcome
from support.waiting import PATIENCE, wait_until

RUNTIME = """
    import http.server, os, time

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            event = self.rfile.read(int(self.headers.get("content-length") or 0))
            time.sleep(3600 if event == b"wait" else 0)
            self.whole(b"event")

        def do_GET(self):
            getattr(self, self.path.strip("/").replace("-", "_"))()

        def whole(self, body=b"whole", head=()):
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def begin(self, *fields):
            self.send_response(200)
            for name, value in fields or [("transfer-encoding", "chunked")]:
                self.send_header(name, value)
            self.end_headers()

        def part(self, data):
            self.wfile.write(f"{len(data):x}\\r\\n".encode() + data + b"\\r\\n")

        def wait(self):
            time.sleep(3600)

        def steps(self):
            self.begin()
            self.part(b"one")
            while not os.path.exists("go"):
                time.sleep(0.01)
            self.part(b"two")
            self.part(b"")

        def endless(self):
            self.begin()
            while True:
                self.part(b"x" * 60_000)

        def hang(self):
            self.begin()
            self.part(b"one")
            time.sleep(3600)

        def big(self):
            self.whole(b"y" * 40_000_000)

        def to_the_end(self):
            self.begin(("x-fc-status", "404"), ("connection", "close"))
            self.wfile.write(b"no length")
            self.close_connection = True

        def half_chunked(self):
            self.begin()
            self.part(b"half")
            self.close_connection = True

        def half_of_length(self):
            self.begin(("content-length", "1000000"))
            self.wfile.write(b"half")
            self.close_connection = True

        def garbage(self):
            self.begin()
            self.part(b"half")
            self.wfile.write(b"this is no length of a chunk\\r\\n")
            self.close_connection = True

        def exit(self):
            self.begin()
            self.part(b"half")
            os._exit(7)

        def long_head(self):
            self.begin(("transfer-encoding", "chunked"), ("x-long", "z" * 9000))
            self.part(b"one")
            self.part(b"")

        def log_message(self, *_):
            pass

    port = int(os.environ["FC_SERVER_PORT"])
    http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
PROXY = "/2016-08-15/proxy/default/f/"


class Site:
    """A platform with one function ``f``, and its API."""

    def __init__(self, platform: Emulator, port: int) -> None:
        self.platform = platform
        self.port = port

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", PROXY + path, headers={"Connection": "close"})
        return connection.getresponse()

    def read(self, path: str) -> bytes:
        with self.get(path) as response:
            return response.read()

    def sent(self, head: str, body: bytes = b"") -> socket.socket:
        """Send a request of which nothing is read."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        text = f"{head} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(text.encode() + body)
        return connection

    def outcome(self) -> Outcome:
        """Return what came of the latest call, once it has ended."""
        wait_until(lambda: any(call.outcome for call in self.platform.invocations(limit=1)))
        found = self.platform.invocations()[0].outcome
        assert found is not None
        return found

    def runs(self) -> bool:
        return any(instance.running for instance in self.platform.instances())


@contextmanager
def serving(folder: Path, **settings: object) -> Iterator[Site]:
    (folder / "runtime.py").write_text(dedent(RUNTIME), "utf-8")
    values = {"command": (sys.executable, "runtime.py"), "timeout": 30.0, **settings}
    function = FunctionConfig(name="f", folder=folder, **values)  # type: ignore[arg-type]
    with Emulator([function]) as platform:
        queue = AsyncQueue(platform, folder / "queue.db", pause=0.01)
        server = ApiServer(create_app(platform, queue, {}), 0)
        try:
            yield Site(platform, server.port)
        finally:
            server.close()
            queue.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), instance_concurrency=8) as found:
        yield found


def test_parts_come_while_the_function_still_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as site:
        with site.get("steps") as response:
            assert response.read(3) == b"one"
            assert site.runs()
            (tmp_path / "go").touch()
            assert response.read() == b"two"
            assert response.getheader("x-fc-request-id")
            assert response.getheader("transfer-encoding") == "chunked"
        assert site.outcome().body == b"onetwo"
        assert site.outcome().succeeded


def test_a_short_answer_with_a_length_has_what_fc_measures(site: Site) -> None:
    with site.get("whole") as response:
        assert response.read() == b"whole"
        assert response.getheader("x-fc-invocation-duration")


def test_a_big_answer_comes_whole_and_the_history_has_its_beginning(site: Site) -> None:
    with site.get("big") as response:
        assert response.getheader("content-length") == "40000000"
        assert response.read() == b"y" * 40_000_000
    outcome = site.outcome()
    assert (outcome.cut, outcome.succeeded) == (True, True)
    assert 30_000_000 < len(outcome.body) < 34_000_000


def test_an_answer_up_to_the_end_of_its_connection_is_complete(site: Site) -> None:
    assert site.read("to-the-end") == b"no length"
    assert site.outcome().error_type == "UnhandledInvocationError"  # by x-fc-status


@pytest.mark.parametrize("path", ["half-chunked", "half-of-length", "garbage"])
def test_half_an_answer_and_garbage_break_off_for_the_client_too(site: Site, path: str) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        site.read(path)
    assert caught.value.partial == b"half"
    assert (site.outcome().status, site.outcome().code) == (502, "BadResponse")


def test_too_many_headers_are_refused_before_anything_is_sent(site: Site) -> None:
    with site.get("long-head") as response:
        assert response.status == 502
        assert b"BadResponse" in response.read()


def test_a_process_that_ends_in_the_middle_breaks_the_answer_off(tmp_path: Path) -> None:
    with serving(tmp_path) as site:
        with pytest.raises(http.client.IncompleteRead):
            site.read("exit")
        assert b"Process exited unexpectedly" in site.outcome().body
        assert site.read("whole") == b"whole"


@pytest.mark.parametrize("path", ["hang", "endless"])
def test_the_time_limit_ends_a_stream_also_if_nobody_reads_it(tmp_path: Path, path: str) -> None:
    with serving(tmp_path, timeout=1.0) as site:
        client = site.sent(f"GET {PROXY}{path}")
        outcome = site.outcome()
        assert b"Function time out after 1 second" in outcome.body
        client.settimeout(PATIENCE)
        data = b"."
        while data:
            try:
                last, data = data, client.recv(1 << 20)
            except ConnectionError:
                break
        assert not last.endswith(b"0\r\n\r\n")
        client.close()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"GET {PROXY}hang", b""),
        (f"GET {PROXY}endless", b""),
        (f"GET {PROXY}wait", b""),
        ("POST /2023-03-30/functions/f/invocations", b"wait"),
    ],
)
def test_a_client_that_leaves_ends_its_call_and_the_instance(
    tmp_path: Path, head: str, body: bytes
) -> None:
    with serving(tmp_path, timeout=3600.0) as site:
        client = site.sent(head, body)
        wait_until(site.runs)
        (instance,) = site.platform.instances()
        wait_until(lambda: site.platform.instances()[0].calls == 1)
        client.close()
        outcome = site.outcome()
        assert (outcome.status, outcome.code) == (499, "ClientClosedRequest")
        assert outcome.message.startswith("Invocation canceled by client (duration: ")
        assert site.read("whole") == b"whole"
        assert site.outcome().instance_id != instance.id  # one call at a time: FC starts another


def test_with_several_calls_at_a_time_the_instance_stays(site: Site) -> None:
    site.read("whole")
    instance = site.outcome().instance_id
    client = site.sent(f"GET {PROXY}hang")
    wait_until(site.runs)
    client.recv(10)
    client.close()
    assert site.outcome().code == "ClientClosedRequest"
    site.read("whole")
    assert site.outcome().instance_id == instance


def test_the_end_of_the_platform_ends_a_stream(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=3600.0) as site:
        response = site.get("hang")
        assert response.read(3) == b"one"
    with response, pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
