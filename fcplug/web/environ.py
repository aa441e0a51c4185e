"""Build the WSGI environ of an application.

As on FC 2.0, the server's keys are added to the variables of the process environment.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fcplug import protocol
from fcplug.context import Context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

COOKIES = "fcplug.cookies"  # several cookie fields of one request, one per line
HEALTH_CHECK = "fcplug.health_check"  # whether the server treated the request as a health check
_OF_A_REQUEST = (
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "GATEWAY_INTERFACE",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_NAME",
)  # process variables with these names would look like the client's


def body_of(environ: "WSGIEnvironment") -> bytes:
    """Read the whole body of a request."""
    terminated = environ.get("wsgi.input_terminated")
    size = -1 if terminated else int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(size)
    return body


def peek_body(environ: "WSGIEnvironment") -> bytes:
    """Return the whole body of a request, which can be read again."""
    body = body_of(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def target_of(environ: "WSGIEnvironment") -> str:
    """Return the path and query of a request.

    As they were sent, if the server provides that.
    """
    sent: str | None = environ.get("REQUEST_URI") or environ.get("RAW_URI")  # RAW_URI: gunicorn
    if sent:
        return sent
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING")
    return quote(path.encode("latin-1")) + (f"?{query}" if query else "")


def raw_path(environ: Mapping[str, Any]) -> str:
    """Return the path as it was sent, encoded and without the query."""
    target: str = environ.get("REQUEST_URI") or ""
    if target.startswith("/"):
        return target.partition("?")[0]
    # the form for proxies, http://user:password@host/path, or no raw path from the server
    return quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/*")


class Environs:
    """Builds the environs for one function's application.

    ``process`` is the environment of the process; credentials are hidden unless ``exposed``.
    """

    def __init__(self, process: Mapping[str, str], *, exposed: bool) -> None:
        hidden = [
            *protocol.hidden_variables(process),
            *(() if exposed else protocol.CREDENTIAL_VARIABLES),
        ]
        self._below = {
            name: value.encode(errors="surrogateescape").decode("latin-1")
            for name, value in process.items()
            if not name.startswith("HTTP_") and name not in (*hidden, *_OF_A_REQUEST)
        }
        headers = () if exposed else protocol.CREDENTIAL_HEADERS
        self._hidden = [*map(protocol.environ_key, headers), "wsgi.file_wrapper"]

    def build(self, environ: "WSGIEnvironment", context: Context) -> "WSGIEnvironment":
        """Return a request's environ as the application sees it."""
        built = {**self._below, **environ}
        for key in self._hidden:
            built.pop(key, None)
        built["fc.context"] = context
        built["fc.request_uri"] = environ.get("REQUEST_URI", environ["PATH_INFO"])
        if not environ["PATH_INFO"].startswith(protocol.PROXY_PATH):
            return built
        prefix = protocol.proxy_prefix(
            environ["PATH_INFO"],
            context.header(protocol.SERVICE_NAME),
            context.header(protocol.FUNCTION_NAME),
        )
        if prefix:
            built["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
            built["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
        return built
