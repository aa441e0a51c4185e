"""What the tests share: a collector that decodes what it gets, and instances as FC runs them."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many

KINDS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


def wait_until(claim: Callable[[], object]) -> None:
    """Return once the claim holds."""
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)


class Collector:
    """An OTLP receiver over HTTP: it keeps the requests, decoded by OpenTelemetry's own types.

    Attributes:
        answer: called for each request before it is answered; returns the status.
        requests: path, headers and message of each request that was accepted.
        raw: all bytes that arrived, uncompressed.
    """

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[str], int] = lambda _path: 200
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.raw = b""
        self.tries = 0
        self._connections: list[socket.socket] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                collector._connections.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.tries += 1
                status = collector.answer(self.path)
                if status == 200:
                    message = KINDS[self.path].FromString(body)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    collector.requests.append((self.path, headers, message))
                    collector.raw += body
                with suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def drop_connections(self) -> None:
        """Close all connections, as a load balancer does with idle ones."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def of(self, path: str) -> list[Any]:
        return [message for asked, _, message in list(self.requests) if asked == path]

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for message in self.of("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def logs(self) -> list[Any]:
        return [
            record
            for message in self.of("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def metrics(self) -> dict[str, Any]:
        """The last of each metric."""
        return {
            metric.name: metric
            for message in self.of("/v1/metrics")
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def span(self, name: str) -> Any:
        """Return the one span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


def facts(attributes: Any) -> dict[str, Any]:
    """Return attributes as a dict."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    receiver = Collector()
    yield receiver
    receiver.close()


class Reply(NamedTuple):
    """What an instance answered, and how long that took in seconds."""

    status: int
    body: bytes
    seconds: float


class Instance:
    """A runtime in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        found = self.wait_for(r"on port (\d+) ")
        self.port = int(found[1])

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "surrogateescape")

    def wait_for(self, pattern: str) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def look() -> bool:
            assert self.process.poll() is None, self.log
            found.extend(re.finditer(pattern, self.log))
            return bool(found)

        wait_until(look)
        return found[0]

    def call(self, path: str, body: bytes | None = b"", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, sent)
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Reply(answer.status, answer.read(), time.monotonic() - begun)
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), time.monotonic() - begun)

    def invoke(self, event: bytes = b"", **headers: str) -> Reply:
        return self.call("/invoke", event, **{"x_fc_function_name": "greet", **headers})

    def freeze(self) -> None:
        """Stop the process as FC does between calls."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(") ")[2].startswith("T"))

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


Start = Callable[..., Instance]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts an instance on FC of some code: ``start(code, **keys of the function)``.

    The function ``greet`` is ``handle`` of the code, with the middleware otel.
    """
    with _instances(tmp_path) as begin:
        yield begin


@contextmanager
def _instances(folder: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        code: str, *, otel: dict[str, Any], environ: dict[str, str] | None = None, **keys: Any
    ) -> Instance:
        runtime, more = keys.pop("runtime", {}), keys.pop("functions", {})
        middleware = [{"name": "otel", "settings": otel}] if otel else ["otel"]
        function = {"handler": "app:handle", "middleware": middleware, **keys}
        functions = {"greet": function, **more}
        document = {"version": 1, "runtime": runtime, "functions": functions}
        (folder / "app.py").write_text(code)
        (folder / "functions.yaml").write_text(json.dumps(document))
        log = folder / f"log{len(started)}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "fcplug", "serve", "--port", "0", "--config",
                 str(folder / "functions.yaml")],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "FC_FUNC_CODE_PATH": str(folder),
                     "FC_FUNCTION_NAME": "greet", **(environ or {})},
            )  # fmt: skip
        started.append(process)
        return Instance(process, log)

    try:
        yield begin
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Return what waits until a claim holds."""
    return wait_until


@pytest.fixture
def collector_at() -> Iterator[Callable[[int], Collector]]:
    """Return what makes a collector at a port."""
    made: list[Collector] = []

    def make(port: int) -> Collector:
        made.append(Collector(port))
        return made[-1]

    yield make
    for each in made:
        each.close()
