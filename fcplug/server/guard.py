"""Checks for requests under another server: they refuse what fcplug's own server would refuse."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fcplug import protocol
from fcplug.server.refusal import Refusal, bad_request, body_too_large

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MAX_BODY = protocol.MAX_EVENT_SIZE
_SINGLE = [
    protocol.environ_key(name) for name in (*protocol.CONTEXT_HEADERS, protocol.CONTROL_PATH)
]
_CODING = "HTTP_TRANSFER_ENCODING"
_NO_LENGTH = Refusal(
    "411 Length Required", "LengthRequired", "this server does not read bodies without a length"
)


def guard(app: "WSGIApplication") -> "WSGIApplication":
    """Return the app behind a check that refuses ambiguous or too large requests.

    Servers join header fields of the same name by commas, and some treat an underscore as a dash.
    So a comma in a header of FC that never has one may mean two values from two senders.
    """

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if refusal := reason_to_reject(environ):
            fields = [*refusal.fields, ("Content-Length", str(len(refusal.body)))]
            start_response(refusal.status, fields)
            return [refusal.body]
        for name in protocol.CREDENTIAL_VARIABLES:  # some servers add the process environment
            environ.pop(name, None)
        body = app(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if close := getattr(body, "close", None):
            close()
        return []

    return guarded


def reason_to_reject(environ: "WSGIEnvironment") -> Refusal | None:
    """Return the refusal for a request that must not reach the app, else None.

    Reads a body without a length, to measure it.
    """
    if any("," in environ.get(key, "") for key in _SINGLE):
        return bad_request("a header field that may be sent once was sent twice")
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            return bad_request("the Content-Length is not a number")
        return body_too_large(_MAX_BODY) if int(length) > _MAX_BODY else None
    if environ.pop(_CODING, None) is None:
        return None
    if not environ.get("wsgi.input_terminated"):
        return _NO_LENGTH
    body = environ["wsgi.input"].read(_MAX_BODY + 1)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body_too_large(_MAX_BODY) if len(body) > _MAX_BODY else None
