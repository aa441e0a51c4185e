"""One web request, from its first log line to its last, which is out before its answer ends."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from contextvars import Context as Variables
from contextvars import copy_context
from typing import TYPE_CHECKING

from fcplug import logs, protocol, result
from fcplug.context import Context
from fcplug.errors import (
    ConcurrencyExceeded,
    FunctionTimeoutError,
    InvalidResponse,
    UnknownFunction,
    quantity,
)
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.web import access
from fcplug.web.response import BodyCut, Response, close_body, close_failed, has_no_body, length_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("fcplug")

_FAILED = "500 Internal Server Error"
_STATUS: Mapping[type, str] = {
    ConcurrencyExceeded: "429 Too Many Requests",
    FunctionTimeoutError: "504 Gateway Timeout",
    UnknownFunction: "404 Not Found",
}
_NOTHING: Iterator[bytes] = iter(())


def answer(
    environ: "WSGIEnvironment",
    context: Context,
    work: Callable[[], Response],
    phase: Phase = Phase.WEB,
    *,
    access_log: bool = False,
) -> Response | Result:
    """Return what the work answers, its first bytes made; or what it raises, as a failure.

    ``phase`` is named in the log's lines.

    Header fields that are the platform's or the connection's are left out. The body raises BodyCut
    where it ends too soon. Its every step, the last log line included, sees one set of context
    variables, and changes none of its caller's. ``access_log`` writes the access line.
    """
    variables = copy_context()
    line = access.line(environ, context) if access_log and phase is Phase.WEB else None
    exchange = _Exchange(variables, context, phase, line)
    return variables.run(exchange.begin, environ["REQUEST_METHOD"], work)


def failure_status(error: BaseException | None, otherwise: str = _FAILED) -> str:
    """Return the status line of a web request that failed before its first bytes."""
    return _STATUS.get(type(error), otherwise)


class _Exchange(Iterator[bytes]):
    """The body of an answer; its end, however it comes, ends the phase."""

    def __init__(
        self,
        variables: Variables,
        context: Context,
        phase: Phase,
        line: "access.AccessLine | None",
    ) -> None:
        self._variables = variables
        self._context = context
        self._lines = logs.phase(phase, context)
        self._line = line
        self._phase = ExitStack()
        self._body = _NOTHING
        self._missing: int | None = None  # bytes of the Content-Length, where one is given
        self._first: bytes | None = None
        self._forks = fork_counter.forks

    def begin(self, method: str, work: Callable[[], Response]) -> Response | Result:
        self._phase.enter_context(self._lines)
        try:
            response = work()
            self._end_forked_child()
            self._body = response.body
            if self._line:
                self._line.status = response.status
            headers = _sendable(response.headers)
            if method == "HEAD" or has_no_body(response.status):
                self._end()
            else:
                self._missing = length_of(headers)
                self._first = self._advance()
        except BaseException as error:
            failure = result.failure(error, self._context.credentials)
            if self._line:
                self._line.status, self._line.size = failure_status(error), len(failure.body)
            self._fail(error)
            return failure
        return response._replace(headers=headers, body=self)

    def __next__(self) -> bytes:
        chunk, self._first = self._first, None
        if chunk is None and self._body is not _NOTHING:
            chunk = self._variables.run(self._step)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """End the request, if its body was not read to the end."""
        self._first = None
        if self._body is not _NOTHING:
            self._variables.run(self._give_up)

    def _step(self) -> bytes | None:
        try:
            return self._advance()
        except BaseException as error:
            self._fail(error)
            raise BodyCut from error

    def _advance(self) -> bytes | None:
        """Return the next bytes, None at the end; once there are no more, the phase has ended."""
        chunk = next(self._body, None)
        self._end_forked_child()
        if self._missing is not None:
            self._count(chunk)
        if self._line and chunk:
            self._line.size += len(chunk)
        if chunk is None or self._missing == 0:
            self._end()
        return chunk

    def _end_forked_child(self) -> None:
        """End a child that the application has forked: the answer is the parent's to send."""
        if fork_counter.forks != self._forks:
            end_forked_child(None)

    def _count(self, chunk: bytes | None) -> None:
        """Hold the body against its Content-Length; what is too long is found before it is sent."""
        missing = (self._missing or 0) - len(chunk or b"")
        if missing == 0 and next(self._body, None) is not None:
            missing = -1
        if missing < 0:
            raise InvalidResponse("the body is longer than its Content-Length: correct it")
        if missing and chunk is None:
            raise InvalidResponse(
                f"the body ends {quantity(missing, 'byte')} before its Content-Length: correct it"
            )
        self._missing = missing

    def _end(self) -> None:
        body, self._body = self._body, _NOTHING
        close_body(body)
        self._write_line()
        self._phase.close()

    def _fail(self, error: BaseException) -> None:
        body, self._body = self._body, _NOTHING
        close_failed(body)
        self._write_line()
        self._phase.__exit__(type(error), error, error.__traceback__)

    def _write_line(self) -> None:
        line, self._line = self._line, None
        if line:
            line.write()

    def _give_up(self) -> None:
        log.info("the client went away before its answer was complete")
        try:
            self._end()
        except BaseException as error:
            self._fail(error)


def _sendable(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the header fields that an application may set."""
    sent = [(name, value) for name, value in headers if not protocol.is_reserved(name)]
    size = sum(len(name) + len(value) + 4 for name, value in sent)
    if size > protocol.MAX_RESPONSE_FIELDS:
        log.warning(
            "the answer has %d bytes of header fields; above %d the platform answers 502 in its "
            "place",
            size,
            protocol.MAX_RESPONSE_FIELDS,
        )
    return sent
