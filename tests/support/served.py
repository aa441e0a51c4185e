"""The server under test: another process that serves one small application.

``python -m support.served PORT-FILE LIMITS-JSON FDS FILE-SIZE`` runs it; ``Served`` is its handle.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcplug.process import accept_filter
from fcplug.server import Limits, bind, serve
from support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TESTS = Path(__file__).resolve().parents[1]
MODULE = "support.served"  # this module, run in a process of its own
BLOB = bytes(range(256)) * 4096  # 1 MiB


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer by the path: what each test needs, one function each."""
    body = environ["wsgi.input"].read()
    answer = _ANSWERS.get(environ["PATH_INFO"])
    if answer is None:
        return _plain(start_response, b"hello")
    return answer(environ, start_response, body)


def _plain(start_response: "StartResponse", body: bytes) -> list[bytes]:
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _sleep(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    time.sleep(float(environ["QUERY_STRING"]))
    return _plain(start_response, b"slept")


def _wait(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    gate = Path(environ["QUERY_STRING"])
    gate.with_name(f"{gate.name}.in").touch()
    wait_until(gate.exists)
    return _plain(start_response, b"waited")


def _hold(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    return _plain(start_response, b"%r" % _EVENTS[environ["QUERY_STRING"]].wait(60))


def _release(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    _EVENTS[environ["QUERY_STRING"]].set()
    return _plain(start_response, b"released")


def _environ(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    return _plain(start_response, json.dumps(shown).encode())


def _stream(_: object, start_response: "StartResponse", __: bytes) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"one", b"", b"two"])


def _raise(environ: "WSGIEnvironment", _: object, __: bytes) -> list[bytes]:
    raise _RAISED[environ["QUERY_STRING"]]


def _fields(_: object, start_response: "StartResponse", body: bytes) -> list[bytes]:
    status, fields = json.loads(body)
    start_response(status, [(name, value) for name, value in fields])
    return [b"ok"]


def _late(_: object, start_response: "StartResponse", __: bytes) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "10")])
    yield b"half."
    raise SystemExit(3)


def _health(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    return _plain(start_response, b"fine".rjust(int(environ["QUERY_STRING"] or 0)))


def _bytes(environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes) -> list[bytes]:
    return _plain(start_response, bytes(int(environ["QUERY_STRING"])))


def _endless(_: object, start_response: "StartResponse", __: bytes) -> Iterator[bytes]:
    start_response("200 OK", [])
    try:
        while True:
            yield BLOB[: 64 * 1024]
    finally:
        print("the stream is closed", flush=True)


def _pause(
    environ: "WSGIEnvironment", start_response: "StartResponse", _: bytes
) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield BLOB
    wait_until(Path(environ["QUERY_STRING"]).exists)
    yield BLOB


_EVENTS: defaultdict[str, threading.Event] = defaultdict(threading.Event)

_ANSWERS: dict[str, Callable[..., Iterable[bytes]]] = {
    "/health": _health,
    "/echo": lambda _, start_response, body: _plain(start_response, body),
    "/big": lambda environ, start, _: _plain(start, BLOB * int(environ["QUERY_STRING"])),
    "/bytes": _bytes,
    "/endless": _endless,
    "/pause": _pause,
    "/sleep": _sleep,
    "/wait": _wait,
    "/hold": _hold,
    "/release": _release,
    "/environ": _environ,
    "/stream": _stream,
    "/raise": _raise,
    "/fields": _fields,
    "/late": _late,
}

_RAISED: dict[str, BaseException] = {
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "stop": StopIteration(),
    "os": FileNotFoundError("no such file"),
    "value": ValueError("no such value"),
    "base": BaseException("at the base"),
}


def express(method: str, path: str, control_path: str) -> bool:
    return method in ("GET", "HEAD") and path == "/health"


def main(port_file: str, limits: str, fds: str, file_size: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(fds), hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_size), resource.RLIM_INFINITY))
    sock = bind("127.0.0.1", 0)
    Path(port_file).with_suffix(".new").write_text(str(sock.getsockname()[1]), encoding="ascii")
    Path(port_file).with_suffix(".new").rename(port_file)

    def stopping() -> None:
        print("draining", flush=True)
        accept_filter.block_new_connections(sock)

    code = serve(
        app,
        sock,
        Limits(**json.loads(limits)),
        express=express,
        on_drain=stopping,
        on_stop=lambda: print("stopping", flush=True),
    )
    print("left", threading.active_count(), flush=True)
    os._exit(code)


class Served:
    """A running server; ``log`` is what it wrote once it has ended."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
        self.process = process
        self.port = port
        self._log_file = log_file

    @property
    def folder(self) -> Path:
        return self._log_file.parent

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="backslashreplace")

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, data: bytes, timeout: float = PATIENCE) -> bytes:
        """Return all that the server answers until it closes the connection."""
        with self.connect(timeout) as sock:
            sock.sendall(data)
            return read_all(sock)

    def get(self, path: str, timeout: float = PATIENCE) -> bytes:
        return self.send(request("GET", path, close=True), timeout)

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        return self.process.wait(timeout)

    def rss(self) -> int:
        """Return the resident memory in bytes."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """Return the largest resident memory so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def cpu(self) -> float:
        """Return the seconds of processor time used so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def fds(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextmanager
def served(folder: Path, fds: int = 4096, file_size: int = -1, **limits: Any) -> Iterator[Served]:
    """Run the server in a process of its own."""
    port_file, log_file = folder / "port", folder / "log"
    port_file.unlink(missing_ok=True)
    limits_json = json.dumps({"threads": 4, "drain_timeout": PATIENCE, "linger": 0.2, **limits})
    command = [sys.executable, "-W", "error", "-m", MODULE, str(port_file)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, limits_json, str(fds), str(file_size)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: port_file.exists() or process.poll() is not None)
        server = Served(process, int(port_file.read_text(encoding="ascii")), log_file)
        server.get("/health")  # from here on signals are handled
        yield server
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()  # and not killed, so that its coverage counts
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def request(
    method: str,
    path: str,
    body: bytes | None = None,
    *fields: str,
    close: bool = False,
    version: str = "1.1",
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return one answer with a Content-Length: status, header fields by lower-case name, body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(1 << 16)
        if not part:
            raise EOFError(data)
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    parts, missing = [body], int(fields.get("content-length", 0)) - len(body)
    while missing > 0:
        part = sock.recv(1 << 18)
        if not part:
            raise EOFError(head)
        parts.append(part)
        missing -= len(part)
    return int(first.split()[1]), fields, b"".join(parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
