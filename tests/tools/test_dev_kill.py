"""``fcplug dev`` killed in the middle of 1,000 asynchronous calls, over a runtime of 30 lines."""

import collections
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from support.running import dev
from support.waiting import wait_until

# it notes each run with its retry count when it begins and when it ends
RUNTIME = """\
import http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ran = os.open("ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        event = self.rfile.read(length).decode()
        if len(event) < length:
            return  # the platform was killed while it sent
        run = f"{event} {self.headers['x-fc-retry-count']}"
        os.write(self.ran, f"{run}\\n".encode())
        time.sleep(0.002)
        os.write(self.ran, f"{run} done\\n".encode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

port = int(os.environ["FC_SERVER_PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
COMMAND = ("--command", f"{sys.executable} runtime.py", "--function", "record", "--no-reload")
COUNT = 1000


class Clients:
    """Eight clients that send events; ``accepted`` are those that have been acknowledged."""

    def __init__(self, port: int) -> None:
        self.accepted: set[str] = set()
        self._port = port

    def send(self, events: list[str]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._send, [events[n::8] for n in range(8)]))

    def _send(self, events: list[str]) -> None:
        path = "/2023-03-30/functions/record/invocations"
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        with closing(connection), suppress(OSError, HTTPException):
            for event in events:
                headers = {"x-fc-invocation-type": "Async", "x-fc-async-task-id": event}
                connection.request("POST", path, event, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 202:
                    self.accepted.add(event)


def done(ran: Path) -> set[str]:
    """Return the events of which a run has come to its end."""
    lines = ran.read_text().splitlines()
    return {line.split()[0] for line in lines if line.endswith(" done")}


@pytest.mark.slow
def test_a_killed_platform_loses_no_call_and_repeats_none_without_its_retry_count(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "runtime.py").write_text(RUNTIME)
    ran = folder / "ran.txt"
    events = [f"t{number}" for number in range(COUNT)]
    with dev(folder, *COMMAND) as platform:
        clients = Clients(platform.port)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(clients.send, events)
            wait_until(lambda: len(clients.accepted) > COUNT // 2)
            platform.process.send_signal(signal.SIGKILL)
            sending.result()
        platform.process.wait()
    first = clients.accepted
    assert COUNT // 2 < len(first) < COUNT
    with dev(folder, *COMMAND) as platform:
        again = Clients(platform.port)
        again.send([event for event in events if event not in first])
        wait_until(lambda: done(ran) == set(events))
    runs = [line for line in ran.read_text().splitlines() if not line.endswith(" done")]
    assert [run for run, times in collections.Counter(runs).items() if times > 1] == []
