"""The functions that the conformance table calls; deployed as a code folder, found by name."""

import base64
import datetime
import decimal
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fcplug import Context, hookimpl


def echo(event: bytes, context: Context) -> bytes:
    return event


def nothing(event: bytes, context: Context) -> None:
    return None


def text(event: bytes, context: Context) -> str:
    return "grüß dich"


def values(event: bytes, context: Context) -> dict[str, Any]:
    return {"b": [decimal.Decimal("1.5"), datetime.date(2026, 1, 31)], "a": True}


def unserializable(event: bytes, context: Context) -> dict[str, Any]:
    return {"set": {1}}


def failing(event: bytes, context: Context) -> None:
    raise ValueError("no such luck")


def leaking(event: bytes, context: Context) -> None:
    logging.getLogger().warning("the keys are %s", context.credentials.access_key_secret)
    raise ValueError(f"bad keys: {context.to_json()}")


def exiting(event: bytes, context: Context) -> None:
    sys.exit(3)


def talking(event: bytes, context: Context) -> bytes:
    print("printed")
    print("unfinished", end="")
    logging.getLogger("shop").info("logged")
    context.getLogger().warning("by the context's logger")
    return b""


def web(event: bytes, context: Context) -> dict[str, Any]:
    """Answer FC's HTTP event with its method, its path and its body."""
    request = json.loads(event)
    body = request["body"]
    body = base64.b64decode(body) if request["isBase64Encoded"] else body.encode()
    http = request["requestContext"]["http"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/octet-stream"},
        "isBase64Encoded": True,
        "body": base64.b64encode(f"{http['method']} {http['path']}".encode() + body).decode(),
    }


def whoami(event: bytes, context: Context) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(context.to_json())
    return facts


def newer(event: bytes, context: Context) -> list[Any]:
    """Return what only the context of FC's Python 3.12 has."""
    function = context.function
    return [function.version_id, function.qualifier, context.log_project, context.log_store]


class Counting:
    """Counts how often its initializer and its stop ran."""

    def __init__(self) -> None:
        self.counts = {"initialize": 0, "pre_freeze": 0, "pre_stop": 0}

    @hookimpl
    def initialize(self, context: Context) -> str:
        self.counts["initialize"] += 1
        return f"ready for {context.request_id}"

    @hookimpl
    def invoke(self) -> dict[str, int]:
        return self.counts

    @hookimpl
    def pre_freeze(self) -> None:
        self.counts["pre_freeze"] += 1

    @hookimpl
    def pre_stop(self) -> None:
        self.counts["pre_stop"] += 1


class FailingOnce:
    """Cannot be initialized at the first try."""

    tries = 0

    @hookimpl
    def initialize(self) -> None:
        self.tries += 1
        if self.tries == 1:
            raise ConnectionError("the database is not there yet")

    @hookimpl
    def invoke(self) -> int:
        return self.tries


class FailingHooks:
    """Fails at the end of its life."""

    @hookimpl
    def invoke(self) -> bytes:
        return b"alive"

    @hookimpl
    def pre_freeze(self) -> None:
        raise OSError("cannot flush")

    @hookimpl
    def pre_stop(self) -> None:
        raise OSError("cannot close")


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer web requests by their path."""
    plain = ("Content-Type", "text/plain")
    answers: dict[str, tuple[str, list[tuple[str, str]], Iterable[bytes]]] = {
        "/teapot": ("418 I'm a teapot", [
            ("ETag", '"x"'), ("Server", "mine"), ("X-Fc-Own", "1"), ("X-Own", "1"),
            ("Connection", "close"), plain], [b"short"]),
        "/empty": ("204 No Content", [], []),
        "/large": ("200 OK", [plain, ("X-Large", "x" * 9000)], [b"large"]),
        "/stream": ("200 OK", [plain], _parts()),
        "/sorry": ("500 Sorry", [plain], [b"sorry"]),
    }  # fmt: skip
    path = environ["PATH_INFO"]
    if path in answers:
        status, headers, body = answers[path]
        start_response(status, headers)
        return body
    if path == "/boom":
        raise ValueError("no such luck")
    if path == "/environ":
        context = environ["fc.context"]
        text = f"{context.request_id} {context.credentials.access_key_id} {environ}"
    else:
        names = ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING")
        text = " ".join(environ[name] for name in names)
        if body := environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)):
            text += f" {body.decode()}"
    start_response("200 OK", [plain, ("Content-Length", str(len(text)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text.encode("latin-1")]


def _parts() -> Iterator[bytes]:
    print("made one")
    yield b"one "
    print("made two")
    yield b"two"
