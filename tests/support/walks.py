"""A live instance that records its own Python calls; run as a script.

``python walks.py FOLDER PORT``: serves the code folder, warms it up, and prints as JSON what is
called, in order, as ``[thread, file, function]``: for the start; for one event, ten times over; for
one web request, as often; for one event that finds an edit of functions.yaml.
"""

import faulthandler
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from fcplug import cli

Call = tuple[str, str, str]

QUIET = 0.25  # seconds without a call, after which what a request causes has ended
WARM = 100  # requests of each kind before anything is recorded: first calls import and initialize
TIMES = 10  # one of them meets none of the checks that come once in a second

INVOKE = ("/invoke", "x-fc-control-path: /invoke\r\nx-fc-function-name: hello\r\n")
WEB = ("/page?x=1", "x-fc-control-path: /http-invoke\r\nx-fc-function-name: shop\r\n")


class Recorder:
    """Records calls while it is on, in threads that start after it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.on = True

    def start(self) -> None:
        """Record from now on, in this thread and those that it starts."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def of(self, work: Callable[[], None]) -> list[Call]:
        """Return what is called while some work is done, and after it until nothing is."""
        self.calls.clear()
        self.on = True
        work()
        seen = -1
        while seen != len(self.calls):
            seen = len(self.calls)
            time.sleep(QUIET)
        self.on = False
        return self.served()

    def served(self) -> list[Call]:
        """Return the calls so far, without those of the driver."""
        return [call for call in self.calls if call[0] != "driver"]

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if self.on and event == "call":
            code = frame.f_code
            name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has the short one only
            self.calls.append((threading.current_thread().name, code.co_filename, name))


def request(connection: socket.socket, kind: tuple[str, str]) -> None:
    """Send a request and wait for the answer."""
    path, headers = kind
    body = b'{"a": 1}'
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}x-fc-request-id: r-1\r\n"
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall((head + length).encode() + body)
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer


def drive(recorder: Recorder, port: int, file: Path, out: TextIO) -> None:
    """Wait for the server, record each kind of request, print the records and end."""
    walks: dict[str, Any] = {}
    connection = connected(port)
    for kind in (INVOKE, WEB):
        request(connection, kind)
    recorder.on = False
    walks["start"] = recorder.served()
    for name, kind in (("invoke", INVOKE), ("web", WEB)):
        for _ in range(WARM):
            request(connection, kind)
        walks[name] = [recorder.of(partial(request, connection, kind)) for _ in range(TIMES)]
    text = file.read_text()
    file.write_text(text.replace("settings: {}", "settings: {edited: true}"))
    os.utime(file, (time.time() - 60,) * 2)  # written to its end for a while
    time.sleep(1.2)  # the file is read at most once in a second
    walks["reload"] = recorder.of(partial(request, connection, INVOKE))
    print(json.dumps(walks), file=out, flush=True)
    os._exit(0)


def connected(port: int) -> socket.socket:
    """Return a connection to the server, once it listens."""
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server does not listen")


def main(folder: Path, port: int) -> None:
    """Serve the folder, and be driven."""
    out = os.fdopen(os.dup(1), "w")  # the log has standard output
    os.dup2(2, 1)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    faulthandler.dump_traceback_later(100)  # a hang shows where each thread is
    recorder = Recorder()
    arguments = (recorder, port, folder / "config" / "functions.yaml", out)
    threading.Thread(target=drive, args=arguments, name="driver", daemon=True).start()
    recorder.start()
    cli.main(["serve", "--host", "127.0.0.1", "--port", str(port)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
