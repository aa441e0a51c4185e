"""A code folder as FC unpacks it, and the instance that its ``bootstrap`` starts."""

import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CODE = Path(__file__).parents[1] / "code"
_LINE = r'^(?:\{.*"message": ")?'  # text, or a record in JSON
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 20
_OWN = range(7000 + 100 * _WORKER, 7100 + 100 * _WORKER)
_PORTS = itertools.cycle(random.sample(_OWN, len(_OWN)))
PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


class Answer(NamedTuple):
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def deploy(folder: Path, config: str, files: Mapping[str, str] | None = None) -> Path:
    """Lay out a code folder: bootstrap, the configuration, and modules."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "bootstrap", folder)
    (folder / "config" / "functions.yaml").write_text(config)
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Instance:
    """A running process of the runtime, its port and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = 0

    @property
    def log(self) -> str:
        """Everything written so far."""
        return self._log.read_text("utf-8", "surrogateescape")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the log holds a match, and return it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if match := re.search(pattern, self.log, re.MULTILINE):
                return match
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} in the log:\n{self.log}")

    def connect(self, timeout: float = PATIENCE) -> HTTPConnection:
        """Return a connection to the instance."""
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        with contextlib.closing(self.connect()) as connection:
            try:
                connection.request(method, path, body, dict(headers or {}))
                response = connection.getresponse()
                received = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, received, response.read())
            except OSError as error:
                state = f"exit code {self.process.poll()}, log:\n{self.log}"
                raise AssertionError(f"no answer to {method} {path}: {error!r}; {state}") from error

    def invoke(self, function: str, event: bytes = b"", **headers: str) -> Answer:
        """Invoke a function as FC does; headers are given with underscores."""
        sent = {"x-fc-function-name": function}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.call("POST", "/invoke", event, sent)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def start(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, loaded: bool = True
) -> Iterator[Instance]:
    """Start the instance of a code folder on a free port; it is ended on the way out.

    Waits until its functions are loaded, or only until it listens.
    """
    log = folder / "instance.log"
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FC_", "FCPLUG_", "ALIBABA_", "PYTHON"))
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(folder / "bootstrap"), "--port", "0", *arguments],
            cwd=folder,
            env={**clean, "FCPLUG_PYTHON": sys.executable, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    instance = Instance(process, log)
    try:
        instance.port = int(instance.wait_for(_LINE + r"fcplug .* on port (\d+) ")[1])
        if loaded:
            instance.wait_for(_LINE + "(try: |no function)")
        yield instance
    finally:
        process.terminate()  # and not killed, so that its coverage counts
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


def free_port() -> int:
    """Return a port that nobody listens on.

    It is none that the system gives to a socket without one, nor that another process of these
    tests gets: else either could take it before it is used.
    """
    for port in _PORTS:
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("unreachable: the ports begin again")
