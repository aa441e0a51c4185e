"""Processes under a supervisor that serve one small application, and clients that keep count.

``python tests/supervised.py PORT-FILE OPTIONS-JSON`` runs it; ``Supervised`` is its handle.
"""

import ctypes
import json
import logging
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcplug.process.siblings import Siblings
from fcplug.process.supervise import supervise
from fcplug.server import Limits, bind, serve
from support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TESTS = Path(__file__).resolve().parents[1]
MODULE = "support.supervised"  # this module, run in a process of its own
CRASH = ctypes.CFUNCTYPE(None)(0)  # calling it is a segmentation fault
kept: list[object] = []


def act(path: str, argument: str, siblings: Siblings | None) -> object:
    """Do what a request asks for."""
    if path == "/segv":
        CRASH()
    elif path == "/exit":
        os._exit(int(argument))
    elif path == "/sleep":
        time.sleep(float(argument))
    elif path == "/wait":
        Path(f"{argument}.in").touch()
        wait_until(Path(argument).exists)
    elif path == "/hang":  # with the interpreter's lock: no Python code runs any more
        print("hanging", flush=True)
        ctypes.PyDLL(None).sleep(int(argument))
    elif path == "/grow":
        kept.append(b"\1" * int(argument))
    elif path == "/random":
        return random.random()
    elif path == "/ask" and siblings:
        answers = siblings.ask(argument.encode(), 1 if argument == "slow" else PATIENCE / 2)
        return [answer.decode() if answer is not None else None for answer in answers]
    elif path == "/loaded-by":
        return [pid for pid in kept if isinstance(pid, int)]
    return os.getpid()


def application(siblings: Siblings | None) -> "WSGIApplication":
    def app(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        environ["wsgi.input"].read()
        answer = act(environ["PATH_INFO"], environ["QUERY_STRING"], siblings)
        body = json.dumps(answer).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return app


def answer_sibling(question: bytes) -> bytes:
    if question == b"fail":
        raise ValueError("no answer")
    if question == b"slow":
        time.sleep(3)
    if question == b"die":
        os._exit(9)
    return b"" if question == b"empty" else b"%s from %d" % (question, os.getpid())


def load(how: str) -> None:
    """Be a plugin that is imported."""
    kept.append(os.getpid())
    if how == "thread":
        threading.Thread(target=time.sleep, args=(60,), name="reporter", daemon=True).start()
    elif how == "socket":
        kept.append(socket.socket())
    elif how == "segv":
        CRASH()
    elif how == "raise":
        raise SystemExit(5)
    elif how == "memory":
        kept.append([str(number) for number in range(500_000)])


def main(port_file: str, options_json: str) -> None:
    options = json.loads(options_json)
    how, limits = options.pop("load"), Limits(**options.pop("limits"))
    start, alone = options.pop("start"), options.pop("alone", None)
    logging.basicConfig(stream=sys.stdout, format="%(process)d %(levelname)s %(message)s")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sock = bind("127.0.0.1", 0)
    Path(port_file).with_suffix(".new").write_text(str(sock.getsockname()[1]), encoding="ascii")
    Path(port_file).with_suffix(".new").rename(port_file)

    def body(siblings: Siblings | None) -> int:
        if start == "exit":
            os._exit(3)
        if start == "segv":
            CRASH()
        if start == "memory":
            load(start)
        if siblings:
            siblings.answer(answer_sibling)
        return serve(
            application(siblings),
            sock,
            limits,
            express=lambda _method, path, _control: path == "/health",
            on_drain=lambda: print("draining", os.getpid(), flush=True),
            on_stop=lambda: print("stopped", os.getpid(), flush=True),
        )

    if how and alone:
        load(how)
    elif how:
        options["preload"] = lambda: load(how)
    code = supervise(body, sock, **options) if alone is None else body(None)
    logging.shutdown()
    os._exit(code)


class Supervised:
    """A running supervisor; ``log`` is what all of its processes wrote."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
        self.process = process
        self.port = port
        self._log_file = log_file

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="backslashreplace")

    @property
    def pids(self) -> set[int]:
        """The processes that serve: those that live and have no child."""
        family = [pid for pid in self.family() if alive(pid)]
        return {pid for pid in family if not children(pid)} - {self.process.pid}

    def family(self) -> list[int]:
        """Return the supervisor's pid and those of all its descendants."""
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def get(self, path: str, timeout: float = PATIENCE) -> Any:
        with self.connect(timeout) as sock:
            return ask(sock, path, last=True)

    def get_from(self, pid: int, path: str) -> Any:
        """Have a certain process answer."""
        with self.connect_to(pid) as sock:
            return ask(sock, path)

    @contextmanager
    def connect_to(self, pid: int) -> Iterator[socket.socket]:
        """Connect until a certain process answers."""
        while alive(pid):
            with self.connect() as sock:
                if ask(sock, "/") == pid:
                    yield sock
                    return
        raise EOFError(f"process {pid} has ended")

    def stop(self, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def pss(self) -> int:
        """Return the memory of all processes in bytes, what they share counted once."""
        total = 0
        for pid in self.family():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += next(int(line.split()[1]) for line in rollup.splitlines() if "Pss:" in line)
        return total * 1024


@contextmanager
def supervised(
    folder: Path, *, load: str = "", start: str = "", **options: Any
) -> Iterator[Supervised]:
    """Run the supervisor; on the way out it is killed, and its children with it."""
    port_file, log_file = folder / "port", folder / "log"
    port_file.unlink(missing_ok=True)
    limits = {"threads": 4, "drain_timeout": PATIENCE, **options.pop("limits", {})}
    options = {"processes": 2, "stop_timeout": PATIENCE + 5, **options}
    options |= {"load": load, "start": start, "limits": limits}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", MODULE, str(port_file), json.dumps(options)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Supervised(process, 0, log_file)
    try:
        wait_until(lambda: port_file.exists() or process.poll() is not None)
        server.port = int(port_file.read_text(encoding="ascii"))
        if start in ("", "memory"):
            server.get("/")
        yield server
    finally:
        family = server.family()
        process.kill()
        for pid in family[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        process.wait()
        wait_until(lambda: not any(map(alive, family)))


@dataclass
class Count:
    """What clients saw."""

    ok: int = 0
    refused: int = 0
    failed: int = 0
    worst: float = 0.0
    pids: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __str__(self) -> str:
        return (
            f"{self.ok} ok, {self.refused} refused, {self.failed} failed in flight, "
            f"worst latency {self.worst * 1000:.0f} ms, {len(self.pids)} processes"
        )


@contextmanager
def clients(server: Supervised, number: int, path: str = "/") -> Iterator[Count]:
    """Keep so many requests in flight, each on a connection of its own, and count what comes."""
    count, done = Count(), threading.Event()
    threads = [
        threading.Thread(target=_keep_asking, args=(server, path, count, done))
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _keep_asking(server: Supervised, path: str, count: Count, done: threading.Event) -> None:
    while not done.is_set():
        begun = time.monotonic()
        pid = 0
        try:
            pid = server.get(path)
        except ConnectionRefusedError:
            outcome = "refused"
        except (OSError, EOFError):
            outcome = "failed"
        else:
            outcome = "ok"
        with count.lock:
            setattr(count, outcome, getattr(count, outcome) + 1)
            if outcome == "ok":
                count.worst = max(count.worst, time.monotonic() - begun)
                count.pids.add(pid)
        if outcome == "refused":
            time.sleep(0.01)


def storm(server: Supervised, crashes: int, pause: float) -> None:
    """Crash the oldest process, time and again, by a request; each has lived for a second."""
    for _ in range(crashes):
        oldest = min(server.pids, key=born)
        with suppress(EOFError, ConnectionError):
            server.get_from(oldest, "/segv")
        wait_until(lambda pid=oldest: not alive(pid))  # type: ignore[misc]
        time.sleep(pause)


def ask(sock: socket.socket, path: str, *, last: bool = False) -> Any:
    """Return the answer to one request."""
    ending = "Connection: close\r\n\r\n" if last else "\r\n"
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{ending}".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _more(sock)
    return json.loads(body)


def _more(sock: socket.socket) -> bytes:
    part = sock.recv(65536)
    if not part:
        raise EOFError
    return part


def children(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on; none when there is no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    fields = stat(pid)
    return bool(fields) and fields[0] != "Z"


def born(pid: int) -> int:
    fields = stat(pid)
    return int(fields[19]) if fields else 1 << 62


if __name__ == "__main__":
    main(*sys.argv[1:])
