"""Convert a WSGI environ to the scope of an ASGI HTTP request."""

import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from fcplug.web.environ import COOKIES
from fcplug.web.lifespan import VERSIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ABSOLUTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*")  # the form of a target for proxies


def scope_of(environ: "WSGIEnvironment") -> MutableMapping[str, Any]:
    """Return the scope of a request.

    Bytes of its target that are not UTF-8 become U+FFFD.
    """
    root = _text(environ.get("SCRIPT_NAME", ""))
    target = str(environ["fc.request_uri"]).partition("?")[0]
    address = environ.get("REMOTE_ADDR")
    return {
        "type": "http",
        "asgi": VERSIONS,
        "http_version": environ["SERVER_PROTOCOL"].rpartition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": root + _text(environ["PATH_INFO"]),
        "raw_path": _ABSOLUTE.sub("", target).encode("latin-1"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": _headers(environ),
        "client": (address, int(environ.get("REMOTE_PORT") or 0)) if address else None,
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "fc.context": environ["fc.context"],
    }


def _headers(environ: "WSGIEnvironment") -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for key, value in environ.items():
        if key == "HTTP_COOKIE":
            headers += [(b"cookie", field.encode("latin-1")) for field in _cookies(environ)]
        elif key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value):
            name = key.removeprefix("HTTP_").replace("_", "-").lower()
            headers.append((name.encode("latin-1"), value.encode("latin-1")))
    return headers


def _cookies(environ: "WSGIEnvironment") -> list[str]:
    """Return the cookie fields as they were sent: one by one if the server keeps them apart."""
    sent: str = environ.get(COOKIES) or environ["HTTP_COOKIE"]
    return sent.split("\n")


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")
