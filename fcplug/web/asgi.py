"""Adapt an ASGI 3 application to WSGI.

It runs on the event loop that ``async def`` hooks use.

Hand-written because a2wsgi 1.10.10 hung the client or stopped the event loop in our tests, had no
lifespan, and cost 318 us of processor time per answer where this costs 90
(``docs/decisions/0004-own-asgi-adapter.md``).

Two sides work in turns, one chunk at a time::

    serving thread                        application's task on the event loop
    --------------                        ------------------------------------
    chunk(): start the task  -----------> runs until send(http.response.body)
    wait for chunk_ready     <----------- store the chunk, set chunk_ready, wait for chunk_taken
    return it, and send it
    chunk(): set chunk_taken -----------> send returns; the application creates the next chunk
    ...
    wait for chunk_ready     <----------- the task ends: background tasks are done, too

So an application never creates a chunk before the previous one was sent. If the client disconnects,
``leave`` sets ``finished``: then ``receive`` returns ``http.disconnect``, and ``send`` raises.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from fcplug import result
from fcplug.concurrency.event_loop import EventLoop
from fcplug.context import Context
from fcplug.errors import InvalidResponse
from fcplug.hookspecs import hookimpl
from fcplug.web.asgi_scope import scope_of
from fcplug.web.lifespan import ASGIApplication, Lifespan, Message

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_Value = TypeVar("_Value")

_PIECE = 1 << 16  # bytes of a request's body in one message
_GRACE = 1.0  # seconds for an application to return after its client has disconnected
_UNFINISHED = (
    "the application ended before its answer was complete: send http.response.start, then "
    "http.response.body with more_body false"
)

log = logging.getLogger("fcplug")


class Application:
    """A WSGI application, and lifespan hooks, for an ASGI one.

    ``function`` is the function's name in ``functions.yaml``.

    Attributes:
        target: the ASGI application as its author wrote it.
        lifespan: the running lifespan, None before startup and after shutdown.
    """

    def __init__(self, application: ASGIApplication, event_loop: EventLoop, function: str) -> None:
        self.target = application
        self._event_loop = event_loop
        self._function = function
        self.lifespan: Lifespan | None = None

    @hookimpl
    def initialize(self, context: Context) -> None:
        """Run the application's startup, and raise its error if it fails."""
        lifespan = Lifespan(self.target, context)
        try:
            self.run(lifespan.startup(), lifespan)
        except BaseException:
            self.finish(lifespan.cancel())
            raise
        self.lifespan = lifespan

    @hookimpl
    def pre_stop(self) -> None:
        """Run the application's shutdown, and raise its error if it fails."""
        lifespan, self.lifespan = self.lifespan, None
        if lifespan:
            try:
                self.run(lifespan.shutdown(), lifespan)
            finally:
                self.finish(lifespan.cancel())

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request; the application starts when the first chunk is read."""
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            start_response("501 Not Implemented", [("Content-Type", "text/plain")])
            return [b"WebSocket is not supported: stream the answer, as text/event-stream\n"]
        scope = scope_of(environ)
        if self.lifespan:
            scope["state"] = self.lifespan.state.copy()
        return _Chunks(self, _RequestTask(self.target, scope, environ), start_response)

    def run(
        self, coroutine: Coroutine[Any, Any, _Value], works_on: "Lifespan | _RequestTask"
    ) -> _Value:
        """Run a coroutine within the deadline of the current call."""
        return self._event_loop.run(coroutine, self._function, lambda: works_on.task)

    def finish(self, coroutine: Coroutine[Any, Any, _Value]) -> _Value:
        """Run a coroutine that cleans up, without a deadline."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._event_loop.loop).result()


class _Chunks(Iterator[bytes]):
    """The body of a response, read on the serving thread."""

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
        """Wait until the application ends; cancel an incomplete answer."""
        if self._request.done:
            return
        try:
            self._application.run(self._request.leave(), self._request)
        except BaseException:  # the deadline of the request has passed
            self._application.finish(self._request.cancel())
            raise


class _RequestTask:
    """One request and its answer; every coroutine here runs on the event loop.

    Attributes:
        head: the status line and header fields, once the application has sent them.
        done: whether the application has ended and all of its chunks were taken.
        task: the application's task, once it has started.
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
        """Return the next chunk, None at the end.

        The previous chunk must have been sent.

        Raises:
            InvalidResponse: the application ended before its answer was complete.
            BaseException: the application's error.
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
                raise InvalidResponse(_UNFINISHED) if self._error is None else self._error
            finally:
                self._error = None
        return chunk

    async def leave(self) -> None:
        """Wait until the application ends; disconnect it if incomplete."""
        if self.task and not self._complete:
            self._disconnect()
            await asyncio.wait([self.task], timeout=_GRACE)
            self.task.cancel()
        if self.task:
            await asyncio.wait([self.task])

    async def cancel(self) -> None:
        """Cancel the application, and wait until it has ended."""
        self._disconnect()
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])

    def _disconnect(self) -> None:
        self._disconnected = True
        self._finished.set()
        self._chunk_taken.set()

    async def _run_application(self) -> None:
        """Run the application and store its error; a SystemExit would stop the event loop."""
        try:
            await self._application(self._scope, self._receive, self._send)
        except BaseException as error:
            if self._complete and not isinstance(error, asyncio.CancelledError):
                log.error("raised after the answer was complete:\n%s", result.format_error(error))
            elif not self._disconnected:
                self._error = error  # only if it is raised: its traceback holds many objects

    async def _receive(self) -> Message:
        if self._more_body and not self._finished.is_set():
            # does not block: the server has read the whole body before
            piece = self._body.read(min(self._unread, _PIECE)) if self._unread else b""
            self._unread = self._unread - len(piece) if piece else 0
            self._more_body = self._unread > 0
            return {"type": "http.request", "body": piece, "more_body": self._more_body}
        await self._finished.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._disconnected:
            raise ConnectionResetError("the client has disconnected")
        if self.head is None and kind == "http.response.start":
            self.head = _status_of(message), _headers_of(message)
        elif self.head is not None and not self._complete and kind == "http.response.body":
            await self._pass_on(bytes(message.get("body", b"")), bool(message.get("more_body")))
        else:
            raise InvalidResponse(
                f"the application sent {kind!a} in the wrong order: send http.response.start once, "
                "then http.response.body until more_body is false"
            )

    async def _pass_on(self, chunk: bytes, more_body: bool) -> None:
        """Pass a chunk to the serving thread; wait until it was sent unless it is the last."""
        while self._chunk is not None and not self._disconnected:
            await self._chunk_taken.wait()  # another task of the application sent one
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
            raise ConnectionResetError("the client has disconnected")


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
            "the headers are not pairs of bytes: give [(b'name', b'value')]"
        ) from None
