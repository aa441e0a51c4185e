"""A web request as the server hands it to the application, and its answer put together."""

import http.client
import io
import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit
from wsgiref.headers import Headers

from fcplug import protocol
from fcplug.testing.answers import WebAnswer
from fcplug.web.environ import COOKIES
from fcplug.web.response import BodyCut, close_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


def encoded(value: Any) -> bytes:
    """Return an event or a body: bytes as they are, text as UTF-8, anything else as JSON.

    Raises:
        TypeError: it is not JSON.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()


def environ_of(
    method: str, url: str, fields: Iterable[tuple[str, str]], body: Any
) -> "WSGIEnvironment":
    """Return the environ of a request; a body that is neither bytes nor text goes as JSON."""
    target = urlsplit(url)
    path = quote(target.path or "/", safe="/%:@!$&'()*+,;=~")
    data = encoded(body)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": target.query,
        "REQUEST_URI": f"{path}?{target.query}" if target.query else path,
        "SERVER_NAME": target.hostname or "localhost",
        "SERVER_PORT": str(target.port or (443 if target.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "fcplug",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": target.netloc or "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": target.scheme or "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if data:
        environ["CONTENT_LENGTH"] = str(len(data))
    if not isinstance(body, bytes | bytearray | memoryview | str):
        environ["CONTENT_TYPE"] = "application/json"
    _add_fields(environ, fields)
    environ[protocol.environ_key(protocol.CONTROL_PATH)] = protocol.Phase.WEB.value
    return environ


def send(app: "WSGIApplication", environ: "WSGIEnvironment", log: list[str]) -> WebAnswer:
    """Call an application and read its answer to the end."""
    started: list[Any] = []
    begun = time.perf_counter()

    def start_response(*head: Any) -> Any:
        started[:] = head
        return parts.append

    parts: list[bytes] = []
    error: BaseException | None = None
    body = app(environ, start_response)
    try:
        parts.extend(body)
    except BodyCut as cut:
        error = cut.__cause__ or cut
    finally:
        close_body(body)
    code, _, reason = started[0].partition(" ")
    return WebAnswer(
        body=b"".join(parts),
        error=error,
        log=log,
        duration=time.perf_counter() - begun,
        status=int(code),
        reason=reason or http.client.responses.get(int(code), ""),
        headers=Headers(list(started[1])),
    )


def fields_of(given: Fields) -> list[tuple[str, str]]:
    """Return header fields as pairs."""
    return list(given.items() if isinstance(given, Mapping) else given)


def _add_fields(environ: "WSGIEnvironment", fields: Iterable[tuple[str, str]]) -> None:
    """Add header fields as a server does: those of one name are joined."""
    joined: dict[str, list[str]] = {}
    for name, value in fields:
        joined.setdefault(name.lower(), []).append(value.encode().decode("latin-1"))
    for name, values in joined.items():
        key = protocol.environ_key(name)
        if name in ("content-type", "content-length"):
            key = key.removeprefix("HTTP_")
        environ[key] = ("; " if name == "cookie" else ", ").join(values)
    if len(cookies := joined.get("cookie", [])) > 1:
        environ[COOKIES] = "\n".join(cookies)
