"""The conformance table, in process and over a socket against ``bootstrap``."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug import logs
from fcplug.app import create_app
from fcplug.config import loader
from fcplug.runtime.runtime import Runtime
from support.conformance import CONFIG, ENVIRONMENT, ROWS, Call, Row
from support.deployed import Answer, deploy, start
from support.proving import FILES, OverSocket, prove


class InProcess:
    """The app, called as a WSGI server calls it."""

    def __init__(self, code: Path, log: Path, out: TextIO) -> None:
        self.code = code
        self._log = log
        self._out = out
        runtime = Runtime(loader.parse(CONFIG, "config/functions.yaml", {}), ENVIRONMENT)
        self._app = create_app(runtime, ENVIRONMENT, runtime.config.runtime)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def send(self, call: Call) -> Answer:
        event = call.body or b""
        path, _, query = call.path.partition("?")
        environ = {
            "REQUEST_METHOD": call.method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "SCRIPT_NAME": "",
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(event)),
            "wsgi.input": io.BytesIO(event),
        }
        setup_testing_defaults(environ)
        for name, value in call.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        started = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> object:
            started.append((int(status.split(maxsplit=1)[0]), headers))
            return None

        with contextlib.redirect_stdout(self._out):
            body = self._app(environ, start_response)  # type: ignore[arg-type]
            answered = b"".join(body) if call.method != "HEAD" else b""  # as the server does
            if closing := getattr(body, "close", None):
                closing()
        ((status, headers),) = started
        return Answer(status, {name.lower(): value for name, value in headers}, answered)


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    code = deploy(tmp_path_factory.mktemp("code"), CONFIG, FILES)
    log = code / "log"
    path = list(sys.path)
    sys.path.insert(0, str(code))
    with log.open("w") as file:
        release = logs.configure("text", "INFO", descriptors=(file.fileno(), 2))
        try:
            yield InProcess(code, log, sys.stdout)
        finally:
            release()
    sys.path[:] = path
    for name in [file.removesuffix(".py").replace("/", ".") for file in FILES]:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module", params=["thread", "process"])
def over_socket(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[OverSocket]:
    config = CONFIG.replace(
        "functions:", f"defaults: {{isolation: {request.param}}}\nfunctions:", 1
    )
    code = deploy(tmp_path_factory.mktemp("code"), config, FILES)
    with start(code, environ=ENVIRONMENT) as instance:
        yield OverSocket(code, instance)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_in_process(row: Row, in_process: InProcess) -> None:
    prove(row, in_process)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_over_a_socket(row: Row, over_socket: OverSocket) -> None:
    prove(row, over_socket)
