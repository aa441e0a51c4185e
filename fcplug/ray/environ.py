"""Turn a request of an ASGI server into the WSGI environ that the runtime reads."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def environ_of(scope: Mapping[str, Any], body: bytes) -> dict[str, str]:
    """Return the environ of a request whose body was read; it holds texts only.

    A field that came several times has its values joined by commas, cookies by semicolons. A field
    with an underscore in its name is left out: it would look like one with a dash.
    """
    query = bytes(scope.get("query_string") or b"").decode("latin-1")
    raw = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    path = raw.partition("?")[0]
    client = scope.get("client") or ("", 0)
    server = scope.get("server") or ("localhost", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "wsgi.url_scheme": scope.get("scheme", "http"),
    }
    for field, sent in scope["headers"]:
        name, value = field.decode("latin-1").lower(), sent.decode("latin-1")
        if "_" in name or name == "transfer-encoding":
            continue
        key = _UNPREFIXED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
