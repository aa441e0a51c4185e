"""The entry: a deployment that takes requests over HTTP, and sends each to its function's replicas.

What the caller sees when a replica is lost: Ray itself sends a call that no replica has accepted to
another one. A call that a replica has accepted is not sent again, since it may have run in part: it
is answered with the error ReplicaLost, or its stream is cut.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from ray import serve
from ray.exceptions import RayError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fcplug import logs, protocol
from fcplug.config.model import RuntimeEntry
from fcplug.errors import ConcurrencyExceeded, FcplugError, FunctionTimeoutError
from fcplug.protocol import Phase
from fcplug.ray.environ import environ_of
from fcplug.ray.front import Front, Routed, failure_of
from fcplug.ray.messages import Answer, Call
from fcplug.server.refusal import body_too_large

log = logging.getLogger("fcplug")

GRACE = 2.0  # seconds after a deadline, in which the replica itself answers that the time is up
_Value = TypeVar("_Value")


class ReplicaLost(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A replica, or its node, was lost while it answered a call."""

    def __init__(self, function: str) -> None:
        super().__init__(
            f"the replica of function '{function}' was lost while it answered: the call may have "
            "run in part, and was not sent to another; repeat it if that does no harm"
        )


class NotServed(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A function has no deployment any more."""

    def __init__(self, function: str) -> None:
        super().__init__(f"function '{function}' was just removed, or cannot start: see its log")


class Entry:
    """Takes requests, and routes them by fcplug's own rules.

    Args:
        runtime: the settings of the configuration.
        functions: the deployments of functions; named here only so that Ray runs them, too.
    """

    def __init__(
        self,
        runtime: RuntimeEntry,
        functions: Sequence[Any],  # noqa: ARG002 - edits name others, by reconfigure
    ) -> None:
        logs.configure(runtime.log_format, runtime.log_level, runtime.log_blocked)
        self._application = serve.get_replica_context().app_name  # serve run chooses the name
        self._front = Front(runtime, dict(os.environ))
        self._waits = bool(runtime.auth and runtime.auth.keys)  # used signatures are in files
        self._handles: dict[str, Any] = {}

    def reconfigure(self, routing: Mapping[str, Any]) -> None:
        """Route by these functions and routes from now on; Ray calls it."""
        self._front.apply(routing)
        names = {facts["deployment"] for facts in routing["functions"].values()}
        known = self._handles
        # not checked: a deployment of this very edit may not exist yet
        self._handles = {
            name: known.get(name)
            or serve.get_deployment_handle(name, self._application, _check_exists=False)
            for name in names
        }

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            body = await _body_of(request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        if body is None:
            refusal = body_too_large(protocol.MAX_EVENT_SIZE)
            return _whole(Answer(refusal.status, refusal.fields, refusal.body))
        environ = environ_of(request.scope, body)
        if self._waits:
            decided = await asyncio.to_thread(self._front.decide, environ, body)
        else:
            decided = self._front.decide(environ, body)
        if isinstance(decided, Answer):
            return _whole(decided)
        if decided.phase is Phase.WEB:
            return await self._web(decided)
        answers = await asyncio.gather(*(self._answer(call, decided) for call in decided.calls))
        if len(answers) == 1:
            return _whole(answers[0])
        bad = [answer for answer in answers if not answer.status.startswith("200")]
        fields = [("Content-Type", protocol.EVENT_TYPE), (protocol.STATUS, "200")]
        return _whole(bad[0] if bad else Answer("200 OK", [*fields, ("Content-Length", "0")], b""))

    async def _answer(self, call: Call, routed: Routed) -> Answer:
        """Return the answer of one replica, or the error document."""
        try:
            handle = self._handle(call)
            answer = await self._in_time(handle.answer.remote(call), call)
            return Answer(*answer)
        except Exception as error:
            return failure_of(routed.phase, self._reason(error, call), routed.context)

    async def _web(self, routed: Routed) -> Response:
        (call,) = routed.calls
        try:
            handle = self._handle(call).options(stream=True)
            chunks = handle.stream.remote(call)
            head = await self._in_time(anext(chunks), call)
        except Exception as error:
            return _whole(failure_of(Phase.WEB, self._reason(error, call), routed.context))
        return _Streamed(Answer(*head), self._rest(chunks, call))

    async def _rest(self, chunks: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Yield the rest of a body; one that is cut raises, so that the connection is aborted."""
        try:
            async for chunk in chunks:
                yield chunk
        except RayError as error:
            log.error("the answer is cut: %s", self._reason(error, call))
            raise

    def _handle(self, call: Call) -> Any:
        facts = self._front.routing["functions"].get(call.function)
        if facts is None:
            raise NotServed(call.function)  # an edit came between
        return self._handles[facts["deployment"]]

    async def _in_time(self, answer: Awaitable[_Value], call: Call) -> _Value:
        """Return the answer; the replica's own deadline does not count the wait for a replica.

        Raises:
            FunctionTimeoutError: the time is up, and the replica has not said so.
        """
        limit = self._front.limit_of(call)
        if limit is None:
            return await answer
        try:
            return await asyncio.wait_for(_awaited(answer), limit + GRACE)
        except asyncio.TimeoutError:
            then = "no replica was free in time, or the one that ran it does not answer"
            raise FunctionTimeoutError(call.function, limit, then) from None

    def _reason(self, error: Exception, call: Call) -> Exception:
        """Return what an error of Ray means for the caller."""
        if isinstance(error, FcplugError):
            return error
        if isinstance(error, BackPressureError):
            facts = self._front.routing["functions"].get(call.function, {})
            return ConcurrencyExceeded(call.function, facts.get("concurrency") or 0)
        if isinstance(error, DeploymentUnavailableError):
            return NotServed(call.function)
        if isinstance(error, TaskCancelledError):
            return ReplicaLost(call.function)
        if isinstance(error, RayError) and not hasattr(error, "cause_cls"):
            log.error("%s", ReplicaLost(call.function))
            return ReplicaLost(call.function)
        log.error("function '%s' failed in its replica", call.function, exc_info=error)
        return error


async def _awaited(answer: Awaitable[_Value]) -> _Value:
    return await answer


async def _body_of(request: Request) -> bytes | None:
    """Return the body of a request, None if it is too large."""
    parts, size = [], 0
    async with contextlib.aclosing(request.stream()) as stream:
        async for part in stream:
            size += len(part)
            if size > protocol.MAX_EVENT_SIZE:
                return None
            parts.append(part)
    return b"".join(parts)


def _whole(answer: Answer) -> Response:
    response = Response(answer.body, int(answer.status[:3]))
    response.raw_headers = _raw(answer.headers)
    return response


class _Streamed(Response):
    """An answer that is sent as it is made.

    Starlette's own would wait for the client's end beside it; Ray cancels the call then anyway.
    """

    def __init__(self, head: Answer, rest: AsyncIterator[bytes]) -> None:
        super().__init__(status_code=int(head.status[:3]))
        self.raw_headers = _raw(head.headers)
        self._first = head.body
        self._rest = rest

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head, and then each chunk."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        message = {"type": "http.response.body", "more_body": True}
        if self._first:
            await send({**message, "body": self._first})
        async for chunk in self._rest:
            await send({**message, "body": chunk})
        await send({**message, "body": b"", "more_body": False})


def _raw(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
