"""The applications that tests of web functions call, found by name in a code folder."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

from fcplug import hookimpl

Environ = dict[str, Any]
Start = Callable[..., Any]

log = logging.getLogger("shop")
variable: ContextVar[str] = ContextVar("variable", default="unset")
HTML = [("Content-Type", "text/html")]


def shop(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer by the path."""
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    answer: Callable[[Environ, Start], Iterable[bytes]] = globals().get(f"_{name}", _echo)
    return answer(environ, start_response)


validated = validator(shop)


class Beside:
    """A handler beside an application; both see what the initializer made."""

    made: list[str] = []

    @hookimpl
    def initialize(self) -> None:
        self.made.append("ready")

    @hookimpl
    def invoke(self, event: bytes) -> bytes:
        return event + b" as an event"

    @staticmethod
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [" ".join(Beside.made).encode()]


def _echo(environ: Environ, start_response: Start) -> list[bytes]:
    """Answer with the environ's texts and the body."""
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    shown["body"] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).hex()
    shown["id"] = environ["fc.context"].request_id
    shown["key"] = environ["fc.context"].credentials.access_key_id
    body = json.dumps(shown).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _fields(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("418 I'm a teapot", [
        ("X-Fc-Own", "1"), ("Server", "mine"), ("Date", "never"),
        ("Connection", "x"), ("Proxy-Authenticate", "x"), ("TE", "x"), ("Upgrade", "x"),
        ("Set-Cookie", "a=1"), ("ETag", '"x"'), ("Set-Cookie", "b=2"),
        ("X-Bytes", "\xc3\x89\xff"), ("content-type", "text/plain"),
    ])  # fmt: skip
    return [b"short and stout"]


def _counted(environ: Environ, start_response: Start) -> list[bytes]:
    """Say to FC what the query says, and once more that it is a success."""
    sent = environ["QUERY_STRING"]
    start_response("500 Oops", [*HTML, ("X-Fc-Status", sent), ("X-FC-STATUS", "200")])
    return [b"counted"]


def _empty(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def _large(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [*HTML, ("X-Large", "x" * 9000)])
    return [b"large"]


def _body(environ: Environ, start_response: Start) -> Iterator[bytes]:
    """Answer what the path asks for: its chunks, each once a file is there."""
    start_response("200 OK", HTML)
    folder = Path(environ["QUERY_STRING"])
    yield b"first"
    for name in ("second", "third"):
        log.info("waiting for %s", name)
        while not (folder / name).exists():
            time.sleep(0.01)
        yield name.encode()


def _endless(environ: Environ, start_response: Start) -> Iterator[bytes]:
    """Go on until the client is gone; tell when closed."""
    start_response("200 OK", HTML)
    try:
        while True:
            yield b"x" * 65536
    finally:
        log.info("closed in %d", os.getpid())


def _measured(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [*HTML, ("Content-Length", environ["QUERY_STRING"])])
    yield b"three"
    log.info("the body is made")
    yield b"three"


def _boom(environ: Environ, start_response: Start) -> list[bytes]:
    raise ValueError("no such luck")


def _exit(environ: Environ, start_response: Start) -> list[bytes]:
    raise SystemExit(3)


def _invalid(environ: Environ, start_response: Start) -> None:
    start_response("200 OK", HTML)


def _late(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", HTML)
    yield b"begun"
    raise ValueError("too late")


def _hang(environ: Environ, start_response: Start) -> Iterator[bytes]:
    """Go on until a file is there, some bytes made before or none; tell when closed."""
    start_response("200 OK", HTML)
    if environ["PATH_INFO"].endswith("/begun"):
        yield b"begun"
    try:
        while not Path(environ["QUERY_STRING"]).exists():
            time.sleep(0.01)
        yield b"late"
    finally:
        log.info("woken")


def _die(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", HTML)
    if environ["QUERY_STRING"] == "begun":
        yield b"begun"
    os._exit(7)


def _pid(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [*HTML])
    return [str(os.getpid()).encode()]


def _variable(environ: Environ, start_response: Start) -> Iterator[bytes]:
    """Set a variable between the chunks: the next request must not see it."""
    start_response("200 OK", HTML)
    yield variable.get().encode()
    variable.set("leaked")
    yield b" " + variable.get().encode()
