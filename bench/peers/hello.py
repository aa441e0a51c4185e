"""A WSGI application that says hello, and the two log lines around any application."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ANSWER = b"Hello, World!"


def app(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [ANSWER]


def logged(inner: "WSGIApplication") -> "WSGIApplication":
    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request_id = environ.get("HTTP_X_FC_REQUEST_ID")
        print(f"FC Invoke Start RequestId: {request_id}", flush=True)
        answer = inner(environ, start_response)
        print(f"FC Invoke End RequestId: {request_id}", flush=True)
        return answer

    return outer
