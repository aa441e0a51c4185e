"""A WSGI app of one function on waitress: no framework at all."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import waitress

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ECHO = bool(os.environ.get("BENCH_ECHO"))


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    request_id = environ.get("HTTP_X_FC_REQUEST_ID")
    print(f"FC Invoke Start RequestId: {request_id}", flush=True)
    event = environ["wsgi.input"].read()
    answer = event if ECHO else b"Hello, World!"
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    print(f"FC Invoke End RequestId: {request_id}", flush=True)
    return [answer]


waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]))
