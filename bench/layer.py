"""fcplug's own layer: call its WSGI app without a socket, beside a bare responder of Falcon.

``python layer.py CONFIG RESULT-FILE ROUNDS`` runs with the Python and the packages of a code
folder; the log lines go to its standard output, like those of an instance.
"""

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CALLS = 2000
CASE = "in process"
BARE, LINES, FCPLUG = "bare responder", "bare responder with the log lines", "fcplug"


def main(config: str, result: Path, rounds: int) -> None:
    """Time all three in turns; write the processor time of a call in seconds, by round."""
    apps = {BARE: _bare(lines=False), LINES: _bare(lines=True), FCPLUG: _fcplug(config)}
    environ = _environ()
    for app in apps.values():
        _seconds(app, environ)
    names, times = list(apps), []
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            times.append([name, turn, _seconds(apps[name], environ)])
    result.write_text(json.dumps(times))
    sys.stdout.flush()
    os._exit(0)  # like an instance: do not wait for threads of the runtime


def _seconds(app: Any, environ: dict[str, Any]) -> float:
    def start_response(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        assert status.startswith("200"), status
        return lambda _data: None

    begun = time.process_time()
    for _ in range(_CALLS):
        call = environ.copy()
        call["wsgi.input"] = io.BytesIO(b"x" * 256)
        answer = app(call, start_response)
        body = b"".join(answer)
        if close := getattr(answer, "close", None):
            close()
    took = time.process_time() - begun
    assert body == b"Hello, World!", body
    return took / _CALLS


def _bare(*, lines: bool) -> Any:
    import falcon  # noqa: PLC0415 - it is in the code folder only; others import this module's names

    out = sys.stdout  # Python's own, before fcplug's takes its place

    class Bare:
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            req.stream.read()
            resp.data = b"Hello, World!"

    class WithLines:
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            request_id = req.get_header("x-fc-request-id")
            print(f"FC Invoke Start RequestId: {request_id}", file=out, flush=True)
            req.stream.read()
            resp.data = b"Hello, World!"
            print(f"FC Invoke End RequestId: {request_id}", file=out, flush=True)

    app = falcon.App()
    app.add_route("/invoke", WithLines() if lines else Bare())
    return app


def _fcplug(file: str) -> Any:
    from fcplug import logs  # noqa: PLC0415
    from fcplug.app import create_app  # noqa: PLC0415
    from fcplug.config import loader  # noqa: PLC0415
    from fcplug.plugins import code_path  # noqa: PLC0415
    from fcplug.runtime.runtime import Runtime  # noqa: PLC0415

    code_path.add(os.environ)
    read = loader.parse(Path(file).read_text(), file, os.environ)
    logs.configure(read.runtime.log_format, read.runtime.log_level)
    return create_app(Runtime(read, os.environ), os.environ, read.runtime)


def _environ() -> dict[str, Any]:
    from fcplug.web.environ import HEALTH_CHECK  # noqa: PLC0415
    from request import Request  # noqa: PLC0415

    request = Request()
    fields = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in request.headers.items()}
    length, kind = fields.pop("HTTP_CONTENT_LENGTH"), fields.pop("HTTP_CONTENT_TYPE")
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/invoke",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "9000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": length,
        "CONTENT_TYPE": kind,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        HEALTH_CHECK: False,  # fcplug's server says it of every request
        **fields,
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
