"""The server's own answers: to invalid requests, and for an application that fails.

None of them repeats a byte of the request, because it may contain a secret.
"""

import json
from typing import NamedTuple

from fcplug import protocol


class Refusal(NamedTuple):
    """An answer of the server instead of one from the application."""

    status: str
    error_type: str
    message: str

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The answer's header fields; FC counts the invocation as failed because of them."""
        return [("Content-Type", protocol.ERROR_TYPE), (protocol.STATUS, "404")]

    @property
    def body(self) -> bytes:
        """The error document, in the same form as a failed function's."""
        document = {"errorMessage": self.message, "errorType": self.error_type}
        return json.dumps(document).encode()


def bad_request(message: str) -> Refusal:
    """Refuse a request that is not valid HTTP/1.1, or is ambiguous."""
    return Refusal("400 Bad Request", "BadRequest", message)


def head_too_large(message: str) -> Refusal:
    """Refuse a head of too many bytes or fields."""
    return Refusal("431 Request Header Fields Too Large", "HeadersTooLarge", message)


def body_too_large(limit: int) -> Refusal:
    """Refuse a body of more than ``limit`` bytes."""
    message = f"the request's body is larger than {limit} bytes"
    return Refusal("413 Content Too Large", "PayloadTooLarge", message)


def not_implemented(message: str) -> Refusal:
    """Refuse a part of HTTP that this server does not support."""
    return Refusal("501 Not Implemented", "NotImplemented", message)


TOO_SLOW = Refusal("408 Request Timeout", "RequestTimeout", "the request came too slowly")

NO_ROOM = Refusal(
    "503 Service Unavailable", "NoRoom", "there is no room on disk for the request's body"
)

# Never 500: FC takes that for a broken instance and restarts it.
FAILED = Refusal("404 Not Found", "InternalError", "the runtime failed to answer the request")
