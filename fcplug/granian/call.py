"""One request of granian's, from its head to the last byte of its answer."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from fcplug import protocol, web
from fcplug.granian.messages import Exchange, Fields
from fcplug.granian.turns import Turns
from fcplug.server.head import Head, HeadError, check
from fcplug.server.limits import Limits
from fcplug.server.refusal import FAILED, Refusal, bad_request, body_too_large
from fcplug.server.task import variable
from fcplug.web import BodyCut, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger("fcplug.granian")

_CONTROL = protocol.environ_key(protocol.CONTROL_PATH).removeprefix("HTTP_")


class House(NamedTuple):
    """What all requests of a process share."""

    app: "WSGIApplication"
    limits: Limits
    express: Callable[[str, str, str], bool]
    turns: Turns


class Call:
    """A request that is read, answered in its turn, and then ended."""

    def __init__(self, house: House, exchange: Exchange, parting: Callable[[], bool]) -> None:
        self._house = house
        self._exchange = exchange
        self._parting = parting
        self._on_end: Callable[[], None] = lambda: None
        self._body = io.BytesIO()
        self._size = 0
        self._head: Head

    def begin(self, on_end: Callable[[], None]) -> None:
        """Read the request; return before its answer, or when there is nothing left to do."""
        self._on_end = on_end
        try:
            self._head = _head(self._exchange.scope, self._house.limits.max_header_fields)
        except HeadError as error:
            refusal = error.refusal
            self._finish(lambda: self._refuse(refusal))
            return
        except Exception as error:
            log.error("a request's head could not be read", exc_info=error)
            self._finish(lambda: self._refuse(FAILED))
            return
        if self._head.content_length == 0:
            self._line_up()
        elif self._head.expects_continue and self._declared > self._house.limits.max_body:
            self._finish(self._refuse_body)  # nothing is on its way yet
        else:
            self._exchange.receive(self._received)

    @property
    def _declared(self) -> int:
        return self._head.content_length or 0

    def _received(self, data: bytes, more: bool) -> None:
        if self._exchange.gone:
            refusal = bad_request("the request's body is malformed, or not whole")
            self._finish(lambda: self._refuse(refusal))
            return
        limit = self._house.limits.max_body
        self._size += len(data)
        if self._size <= limit:
            self._body.write(data)
        elif self._size >= 2 * limit:
            more = False
        if more and self._size != self._head.content_length:
            self._exchange.receive(self._received)
        elif max(self._size, self._declared) > limit:
            self._finish(self._refuse_body)
        else:
            self._line_up()

    def _line_up(self) -> None:
        head = self._head
        if self._house.express(head.method, head.path, head.headers.get(_CONTROL, "")):
            self._finish(self._answer)
        else:
            self._house.turns.enter(lambda: self._finish(self._answer))

    def _finish(self, last: Callable[[], None]) -> None:
        """Do the last that is to be done, and end whatever it comes to."""
        try:
            last()
        except BodyCut:
            self._exchange.cut()
        except BaseException as error:
            log.error("the application failed to answer", exc_info=error)
            if self._exchange.started:
                self._exchange.cut()
            else:
                self._refuse(FAILED)
        finally:
            self._on_end()

    def _answer(self) -> None:
        started: list[tuple[str, Fields]] = []

        def start_response(status: str, fields: Fields, *_: object) -> Any:
            started.append((status, fields))

        with ExitStack() as ended:
            made = self._house.app(self._environ(), start_response)
            if closing := getattr(made, "close", None):
                ended.callback(closing)
            body = iter(made)
            first = next(body, b"")
            ((status, fields),) = started
            self._send(Response(status, fields, body), first)

    def _send(self, response: Response, first: bytes) -> None:
        status, fields = int(response.status[:3]), response.headers
        if web.has_no_body(response.status):
            fields = [field for field in fields if field[0].lower() != "content-length"]
            self._exchange.answer(status, self._last(fields), b"")
        elif self._head.method == "HEAD":
            self._exchange.answer(status, self._last(fields), b"")
        elif web.length_of(fields) == len(first):
            self._exchange.answer(status, self._last(fields), first)
        else:
            self._stream(status, fields, first, response.body)

    def _stream(self, status: int, fields: Fields, first: bytes, rest: Iterator[bytes]) -> None:
        self._exchange.watch()
        self._exchange.answer(status, self._last(fields), first, more=True)
        for data in rest:
            if self._exchange.gone:
                return
            self._exchange.send(data)
        self._exchange.send(b"", more=False)

    def _environ(self) -> "WSGIEnvironment":
        scope, head = self._exchange.scope, self._head
        self._body.seek(0)
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": head.path,
            "QUERY_STRING": head.query,
            "REQUEST_URI": head.target,
            "SERVER_PROTOCOL": f"HTTP/{head.version}",
            "SERVER_NAME": scope["server"][0],
            "SERVER_PORT": scope["server"][1],
            "SERVER_SOFTWARE": "fcplug",
            "REMOTE_ADDR": scope["client"][0],
            "REMOTE_HOST": scope["client"][0],
            "REMOTE_PORT": scope["client"][1],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self._body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in head.headers.items():
            environ[variable(name)] = value
        if head.content_length is None:
            environ["CONTENT_LENGTH"] = str(self._size)
        return environ

    def _refuse_body(self) -> None:
        self._refuse(body_too_large(self._house.limits.max_body))

    def _refuse(self, refusal: Refusal) -> None:
        fields = [*refusal.fields, ("Content-Length", str(len(refusal.body)))]
        self._exchange.answer(int(refusal.status[:3]), self._last(fields), refusal.body)

    def _last(self, fields: Fields) -> Fields:
        """Return the fields; when the process is about to stop, the connection's last."""
        return [*fields, ("Connection", "close")] if self._parting() else fields


def _head(scope: dict[str, Any], max_fields: int) -> Head:
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    version = "1.0" if scope["http_version"] == "1" else "1.1"
    # granian makes an empty Host of a missing one
    pairs = [pair for pair in scope["headers"] if pair != (b"host", b"")]
    return check(scope["method"].encode(), target, version, pairs, max_fields)
