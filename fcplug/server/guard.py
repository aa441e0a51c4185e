"""What a request must be under another server: what fcplug's own would not have let through."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fcplug import protocol
from fcplug.server.refusal import Refusal, bad_request, body_too_large

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MOST = protocol.MAX_EVENT_SIZE
_SINGLE = [
    protocol.environ_key(name) for name in (*protocol.CONTEXT_HEADERS, protocol.CONTROL_PATH)
]
_CODING = "HTTP_TRANSFER_ENCODING"
_UNMEASURED = Refusal(
    "411 Length Required", "LengthRequired", "this server does not read bodies without a length"
)


def guard(app: "WSGIApplication") -> "WSGIApplication":
    """Return the app behind a door that refuses what is ambiguous or too large.

    Servers join header fields of one name by commas, and some take an underscore for a dash: a
    value with a comma, in a header of FC that never has one, may be two values of two senders.
    """

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if refusal := _reason_to_reject(environ):
            fields = [*refusal.fields, ("Content-Length", str(len(refusal.body)))]
            start_response(refusal.status, fields)
            return [refusal.body]
        for name in protocol.CREDENTIAL_VARIABLES:  # some servers add the process environment
            environ.pop(name, None)
        body = app(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if closing := getattr(body, "close", None):
            closing()
        return []

    return guarded


def _reason_to_reject(environ: "WSGIEnvironment") -> Refusal | None:
    if any("," in environ.get(key, "") for key in _SINGLE):
        return bad_request("a header field that may be sent once was sent twice")
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            return bad_request("the Content-Length is not a number")
        return body_too_large(_MOST) if int(length) > _MOST else None
    if environ.pop(_CODING, None) is None:
        return None
    if not environ.get("wsgi.input_terminated"):
        return _UNMEASURED
    body = environ["wsgi.input"].read(_MOST + 1)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body_too_large(_MOST) if len(body) > _MOST else None
