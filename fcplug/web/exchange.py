"""Answer one web request, with its log lines and its failures.

The states of an exchange::

    begin() --first chunk--> answering --last chunk, or close()--> ended
       |                         |
       +-- error: 500 document   +-- error: BodyCut, the connection is aborted

Leaving a state closes the response and writes the access line and the phase's last log line, before
the server sends the last bytes.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context as Variables
from contextvars import copy_context
from functools import lru_cache
from typing import TYPE_CHECKING

from fcplug import logs, protocol, result
from fcplug.context import Context
from fcplug.errors import (
    ConcurrencyExceeded,
    FunctionTimeoutError,
    InvalidEvent,
    InvalidResponse,
    UnknownFunction,
    quantity,
)
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.web import access
from fcplug.web.response import CONTENT_LENGTH, BodyCut, Response, close_failed, has_no_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("fcplug")

_FAILED = "500 Internal Server Error"
_STATUS: Mapping[type, str] = {
    ConcurrencyExceeded: "429 Too Many Requests",
    FunctionTimeoutError: "504 Gateway Timeout",
    InvalidEvent: "400 Bad Request",  # of a handler that answers web requests as events
    UnknownFunction: "404 Not Found",
}


def answer(
    environ: "WSGIEnvironment",
    context: Context,
    work: Callable[[], Response],
    phase: Phase = Phase.WEB,
    *,
    access_log: bool = False,
) -> Response | Result:
    """Run the work up to the first bytes; return answer or failure.

    Header fields that belong to the platform or the connection are removed; one with FC's status is
    added. The body raises BodyCut if it ends too early. All steps share one copy of the caller's
    context variables.

    Args:
        environ: the request.
        context: the invocation context.
        work: calls the function.
        phase: the phase that the log lines name.
        access_log: whether to write the access line.
    """
    variables = copy_context()
    line = access.line(environ, context) if access_log and phase is Phase.WEB else None
    exchange = _Exchange(variables, context, line)
    return variables.run(exchange.begin, phase, environ["REQUEST_METHOD"], work)


def failure_status(error: BaseException | None, otherwise: str = _FAILED) -> str:
    """Return the status line of a request that failed early."""
    return _STATUS.get(type(error), otherwise)


class _Exchange:
    """The body of an answer; its end always ends the phase."""

    def __init__(
        self,
        variables: Variables,
        context: Context,
        line: "access.AccessLine | None",
    ) -> None:
        self._variables = variables
        self._context = context
        self._phase: logs.BegunPhase | None = None  # None once it is ended
        self._line = line
        self._response: Response | None = None  # None once it is closed
        self._missing: int | None = None  # bytes until the Content-Length, if there is one
        self._first: bytes | None = None
        self._forks = fork_counter.forks

    def begin(self, phase: Phase, method: str, work: Callable[[], Response]) -> Response | Result:
        """Begin the phase, and run the work up to the first bytes of the body."""
        self._phase = logs.begin_phase(phase, self._context)
        try:
            self._response = response = work()
            if fork_counter.forks != self._forks:  # in a forked child: the parent sends the answer
                end_forked_child(None)
            if self._line:
                self._line.status = response.status
            headers, self._missing = _sendable(response.headers)
            if method == "HEAD" or has_no_body(response.status):
                self._end()
            else:
                self._first = self._advance(response)
        except BaseException as error:
            failure = result.failure(error, self._context.credentials)
            if self._line:
                self._line.status, self._line.size = failure_status(error), len(failure.body)
            self._fail(error)
            return failure
        if self._response is None and self._first is not None:  # that is all of the body
            return Response(response.status, headers, iter((self._first,)))
        return Response(response.status, headers, self)

    def __iter__(self) -> "Iterator[bytes]":
        return self

    def __next__(self) -> bytes:
        chunk, self._first = self._first, None
        if chunk is None and self._response:
            chunk = self._variables.run(self._step, self._response)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """End the request if its body was not read to the end."""
        self._first = None
        if self._response:
            self._variables.run(self._give_up)

    def _step(self, response: Response) -> bytes | None:
        try:
            return self._advance(response)
        except BaseException as error:
            self._fail(error)
            raise BodyCut from error

    def _advance(self, response: Response) -> bytes | None:
        """Return the next bytes, None at the end; end the phase after the last bytes."""
        chunk = next(response.body, None)
        if fork_counter.forks != self._forks:
            end_forked_child(None)
        missing = self._missing
        if missing is not None:  # checked before bytes beyond it are sent
            missing -= len(chunk or b"")
            beyond = missing == 0 and next(response.body, None) is not None
            if beyond or missing < 0 or (missing and chunk is None):
                raise _wrong_length(missing)
            self._missing = missing
        if self._line and chunk:
            self._line.size += len(chunk)
        if chunk is None or missing == 0:
            self._end()
        return chunk

    def _end(self) -> None:
        response, self._response = self._response, None
        if response:
            response.close()
        self._end_phase(None)

    def _fail(self, error: BaseException) -> None:
        response, self._response = self._response, None
        close_failed(response)
        self._end_phase(error)

    def _end_phase(self, error: BaseException | None) -> None:
        """Write the access line and the phase's last line, once."""
        line, self._line = self._line, None
        if line:
            line.write()  # if this fails, the phase is still to be ended, with that error
        phase, self._phase = self._phase, None
        if phase is not None:
            logs.end_phase(phase, error)

    def _give_up(self) -> None:
        log.info("the client disconnected before its answer was complete")
        try:
            self._end()
        except BaseException as error:
            self._fail(error)


def _wrong_length(missing: int) -> InvalidResponse:
    """Return the error of a body that is not as long as its Content-Length says."""
    if missing <= 0:
        return InvalidResponse("the body is longer than its Content-Length: correct it")
    return InvalidResponse(
        f"the body ends {quantity(missing, 'byte')} before its Content-Length: correct it"
    )


def _sendable(headers: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int | None]:
    """Return the header fields to send, and the Content-Length, None if there is none.

    Fields that an application must not set are left out. FC gets one status: the application's
    first, else a success.
    """
    sent, status, length, size = [], "", None, 0
    for field in headers:
        name, value = field
        known = _sent_name(name)
        if not known:
            continue
        size += len(name) + len(value) + 4
        if known == protocol.STATUS:
            status = status or value
            continue
        if known == CONTENT_LENGTH and length is None:
            length = int(value)
        sent.append(field)
    if size > protocol.MAX_RESPONSE_FIELDS:
        log.warning(
            "the answer has %d bytes of header fields; above %d the platform answers 502 in its "
            "place",
            size,
            protocol.MAX_RESPONSE_FIELDS,
        )
    sent.append((protocol.STATUS, status or protocol.SUCCEEDED))
    return sent, length


@lru_cache(maxsize=1024)  # the same few names come with every answer
def _sent_name(name: str) -> str:
    """Return a response header's name in lower case; empty if it must not be sent."""
    return "" if protocol.is_reserved(name) else name.lower()
