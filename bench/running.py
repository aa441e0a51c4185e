"""A contestant as a running process: start it, ask it, end it by its id."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contestants import Contestant
from environments import environment
from family import end, family, on_processors
from request import Request

START_TIMEOUT = 60.0  # seconds; 10,000 functions take long to load
_POLL = 0.0005
_NOT_INHERITED = (
    "FC_",
    "FCPLUG_",
    "ALIBABA_",
    "PYTHON",
    "BENCH_",
    "COVERAGE",
    "VIRTUAL_ENV",
    "GUNICORN_",
)


class ServerError(Exception):
    """A contestant does not start, or answers incorrectly."""


@dataclass
class Server:
    """A running contestant; times are seconds since it was started."""

    contestant: Contestant
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    begun: float
    accepted: float = 0.0
    answered: float = 0.0

    @property
    def pid(self) -> int:
        """Return the id of the process that was started."""
        return self.process.pid

    def fail(self, why: str) -> ServerError:
        """Return an error that holds the end of the server's log."""
        written = self.log.read_text("utf-8", "replace")[-1000:]
        return ServerError(f"{why}; it wrote: {written!r}")


@contextlib.contextmanager
def running(contestant: Contestant, request: Request, processors: set[int]) -> Iterator[Server]:
    """Start a contestant, check its first answer, and end it on exit.

    Raises:
        ServerError: it does not start, or its answer is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = _start(contestant, Path(folder) / "log", processors)
        try:
            server.answered = _first_answer(server, request)
            yield server
        finally:
            _stop(server)


def read_answer(sock: socket.socket, buffer: bytearray | None = None) -> tuple[int, memoryview]:
    """Return status and body of an answer with a Content-Length; read into ``buffer``."""
    view = memoryview(buffer if buffer is not None else bytearray(65536))
    have, end, head = 0, -1, b""
    while end < 0 or have < end:
        got = sock.recv_into(view[have:])
        if not got:
            raise ConnectionError("the answer ended early")
        have += got
        if end < 0:
            head, found, _ = bytes(view[:have]).partition(b"\r\n\r\n")
            end = len(head) + 4 + _length(head) if found else -1
    return int(head.split(None, 2)[1]), view[len(head) + 4 : end]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def _start(contestant: Contestant, log: Path, processors: set[int]) -> Server:
    port = free_port()
    bin_folder = environment(contestant) / "bin"
    command = [part.format(bin=bin_folder, port=port) for part in contestant.command]
    environ = _environ(contestant, bin_folder)
    with log.open("wb") as out, on_processors(processors):
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=contestant.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(contestant, process, port, log, begun)


def _environ(contestant: Contestant, bin_folder: Path) -> dict[str, str]:
    """Return the environment of an instance of FC, without variables that change Python."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(_NOT_INHERITED)}
    return {
        **clean,
        "PATH": f"{bin_folder}:{os.environ.get('PATH', os.defpath)}",
        **({"FC_FUNCTION_NAME": contestant.function} if contestant.function else {}),
        **contestant.environ,
    }


def _first_answer(server: Server, request: Request) -> float:
    """Ask until there is an answer; return its time in seconds since the start."""
    while time.perf_counter() - server.begun < START_TIMEOUT:
        if server.process.poll() is not None:
            raise server.fail(f"ended with {server.process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", server.port), START_TIMEOUT) as sock:
                server.accepted = server.accepted or time.perf_counter() - server.begun
                sock.sendall(request.raw)
                status, body = read_answer(sock)
        except OSError:
            time.sleep(_POLL)
            continue
        answered = time.perf_counter() - server.begun
        if status != 200 or request.answer not in (None, body):
            raise server.fail(f"answered {status} {bytes(body[:200])!r}")
        return answered
    raise server.fail(f"no answer in {START_TIMEOUT:.0f} s")


def _stop(server: Server) -> None:
    pids = family(server.pid)
    server.process.terminate()
    try:
        server.process.wait(5)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    end(pids[1:], server.pid)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise ConnectionError("the answer has no Content-Length")
