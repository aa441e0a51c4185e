"""An ASGI 3 application as a WSGI one, on the event loop of all coroutines.

The thread that serves a request asks for one chunk after the other; in between it waits for the
application's task on the event loop. ``http.response.body`` is passed on before ``send`` returns,
so an application makes no chunk before the one before it has been sent.
"""

import asyncio
import logging
import re
from collections.abc import Coroutine, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from fcplug import result
from fcplug.concurrency.event_loop import EventLoop
from fcplug.context import Context
from fcplug.errors import InvalidResponse
from fcplug.hookspecs import hookimpl
from fcplug.web.environ import COOKIES
from fcplug.web.lifespan import VERSIONS, ASGIApplication, Lifespan, Message

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_Value = TypeVar("_Value")

_PIECE = 1 << 16  # bytes of a request's body in one message
_GRACE = 1.0  # seconds to end by itself for an application that nobody waits for
_ABSOLUTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*")  # the form of a target for proxies
_UNFINISHED = (
    "the application ended before its answer was complete: send http.response.start, then "
    "http.response.body with more_body false"
)

log = logging.getLogger("fcplug")


class Application:
    """Serves an ASGI application: a WSGI application, and a plugin for its lifespan.

    ``function`` is what ``functions.yaml`` calls the function that it belongs to.

    Attributes:
        target: the application as its author wrote it.
        lifespan: what the startup has begun, None before it and after the shutdown.
    """

    def __init__(self, application: ASGIApplication, event_loop: EventLoop, function: str) -> None:
        self.target = application
        self._event_loop = event_loop
        self._function = function
        self.lifespan: Lifespan | None = None

    @hookimpl
    def initialize(self, context: Context) -> None:
        """Run the application's startup; what it raises is raised."""
        lifespan = Lifespan(self.target, context)
        try:
            self.run(lifespan.startup(), lifespan)
        except BaseException:
            self.finish(lifespan.cancel())
            raise
        self.lifespan = lifespan

    @hookimpl
    def pre_stop(self) -> None:
        """Run the application's shutdown; what it raises is raised."""
        lifespan, self.lifespan = self.lifespan, None
        if lifespan:
            try:
                self.run(lifespan.shutdown(), lifespan)
            finally:
                self.finish(lifespan.cancel())

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request: the application runs from the first chunk asked for to the close."""
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            start_response("501 Not Implemented", [("Content-Type", "text/plain")])
            return [b"WebSocket is not served here: stream the answer, as text/event-stream\n"]
        scope = _scope(environ)
        if self.lifespan:
            scope["state"] = self.lifespan.state.copy()
        return _Chunks(self, _RequestTask(self.target, scope, environ), start_response)

    def run(
        self, coroutine: Coroutine[Any, Any, _Value], works_on: "Lifespan | _RequestTask"
    ) -> _Value:
        """Run a coroutine on the loop, until the deadline of whoever waits for it."""
        return self._event_loop.run(coroutine, self._function, lambda: works_on.task)

    def finish(self, coroutine: Coroutine[Any, Any, _Value]) -> _Value:
        """Run a coroutine that gives back what was taken to its end, whatever the deadline."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._event_loop.loop).result()


class _Chunks(Iterator[bytes]):
    """The body of a response, on the thread that serves it."""

    def __init__(
        self, application: Application, request: "_RequestTask", start_response: "StartResponse"
    ) -> None:
        self._application = application
        self._request = request
        self._start_response: StartResponse | None = start_response

    def __next__(self) -> bytes:
        chunk = None
        if not self._request.done:
            chunk = self._application.run(self._request.chunk(), self._request)
        if self._start_response and self._request.head:
            self._start_response(*self._request.head)
            self._start_response = None
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Wait for the application's end; one that has not answered to the end is cancelled."""
        if self._request.done:
            return
        try:
            self._application.run(self._request.leave(), self._request)
        except BaseException:  # the deadline of the request has passed
            self._application.finish(self._request.cancel())
            raise


class _RequestTask:
    """One request and what the application answers; every coroutine here runs on the loop.

    Attributes:
        head: the status line and the header fields, once the application has sent them.
        over: whether the application has ended, and everything it sent was taken.
        task: the application's, once it has begun.
    """

    def __init__(
        self, application: ASGIApplication, scope: Message, environ: "WSGIEnvironment"
    ) -> None:
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.done = False
        self._application = application
        self._scope = scope
        self._body = environ["wsgi.input"]
        self._unread = int(environ.get("CONTENT_LENGTH") or 0)
        self._more_body = True
        self.task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._chunk: bytes | None = None
        self._complete = self._disconnected = False
        self._chunk_ready, self._chunk_taken, self._finished = (
            asyncio.Event(),
            asyncio.Event(),
            asyncio.Event(),
        )

    async def chunk(self) -> bytes | None:
        """Return the next chunk, None at the end; the one before it has been sent.

        Raises:
            InvalidResponse: the application ended before its answer did.
            BaseException: whatever it raises before that.
        """
        if self.task is None:
            self.task = asyncio.create_task(self._run_application())
            self.task.add_done_callback(lambda _: self._chunk_ready.set())
        self._chunk_taken.set()
        await self._chunk_ready.wait()
        chunk, self._chunk = self._chunk, None
        if not self.task.done():
            self._chunk_ready.clear()
        elif self._complete:
            self.done = True
        elif chunk is None:
            try:
                raise self._error or InvalidResponse(_UNFINISHED)
            finally:
                self._error = None
        return chunk

    async def leave(self) -> None:
        """Wait for the application's end; hurry one whose answer is not complete."""
        if self.task and not self._complete:
            self._disconnect()
            await asyncio.wait([self.task], timeout=_GRACE)
            self.task.cancel()
        if self.task:
            await asyncio.wait([self.task])

    async def cancel(self) -> None:
        """Cancel the application, and wait for its end."""
        self._disconnect()
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])

    def _disconnect(self) -> None:
        self._disconnected = True
        self._finished.set()
        self._chunk_taken.set()

    async def _run_application(self) -> None:
        """Run the application; keep its error, since SystemExit would end the loop of everyone."""
        try:
            await self._application(self._scope, self._receive, self._send)
        except BaseException as error:
            if self._complete and not isinstance(error, asyncio.CancelledError):
                log.error("raised after the answer was complete:\n%s", result.format_error(error))
            elif not self._disconnected:
                self._error = error  # and only then: it holds on to everything that it came from

    async def _receive(self) -> Message:
        if self._more_body and not self._finished.is_set():
            # a server has read the whole body before it calls: this does not wait
            piece = self._body.read(min(self._unread, _PIECE)) if self._unread else b""
            self._unread = self._unread - len(piece) if piece else 0
            self._more_body = self._unread > 0
            return {"type": "http.request", "body": piece, "more_body": self._more_body}
        await self._finished.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._disconnected:
            raise ConnectionResetError("the client has gone away")
        if self.head is None and kind == "http.response.start":
            self.head = _status_of(message), _headers_of(message)
        elif self.head is not None and not self._complete and kind == "http.response.body":
            await self._pass_on(bytes(message.get("body", b"")), bool(message.get("more_body")))
        else:
            raise InvalidResponse(
                f"the application sent {kind!a} where none is due: send http.response.start once, "
                "then http.response.body until more_body is false"
            )

    async def _pass_on(self, chunk: bytes, more_body: bool) -> None:
        """Hand a chunk over; unless it is the last, wait until it has been sent."""
        while self._chunk is not None and not self._disconnected:
            await self._chunk_taken.wait()  # for that of another task of the application
        if chunk:
            self._chunk_taken.clear()
            self._chunk = chunk
            self._chunk_ready.set()
        if not more_body:
            self._complete = True
            self._finished.set()
            return
        await (self._chunk_taken.wait() if chunk else asyncio.sleep(0))
        if self._disconnected:
            raise ConnectionResetError("the client has gone away")


def _scope(environ: "WSGIEnvironment") -> Message:
    """Return the scope of a request; bytes of its target that are not UTF-8 become U+FFFD."""
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
        "headers": [
            (_field(key), value.encode("latin-1"))
            for key, given in environ.items()
            if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and given)
            for value in (_cookies(environ) if key == "HTTP_COOKIE" else (given,))
        ],
        "client": (address, int(environ.get("REMOTE_PORT") or 0)) if address else None,
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "fc.context": environ["fc.context"],
    }


def _cookies(environ: "WSGIEnvironment") -> list[str]:
    """Return the cookie fields as they were sent: one by one, where the server says so."""
    sent: str = environ.get(COOKIES) or environ["HTTP_COOKIE"]
    return sent.split("\n")


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")


def _field(key: str) -> bytes:
    return key.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1")


def _status_of(message: Message) -> str:
    status: Any = message.get("status")
    try:
        return f"{status:d} {HTTPStatus(status).phrase}"
    except (TypeError, ValueError):
        return f"{status} Unknown"


def _headers_of(message: Message) -> list[tuple[str, str]]:
    try:
        return [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in message.get("headers", ())
        ]
    except (AttributeError, TypeError, ValueError):
        raise InvalidResponse(
            "the headers are no pairs of bytes: give [(b'name', b'value')]"
        ) from None
