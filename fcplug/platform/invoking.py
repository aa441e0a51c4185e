"""Calls by the API: InvokeFunction, and the path on which FC 2.0 serves web requests."""

from urllib.parse import urlsplit

import falcon

from fcplug import protocol
from fcplug.platform import answers, headers
from fcplug.platform.answers import Answer, ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.exchange import Exchange
from fcplug.platform.lookups import find_function, send
from fcplug.platform.model import ASYNC_PAYLOAD, SYNC_PAYLOAD, Call, Outcome, Platform

_WEB_HEADERS = 8 * 1024  # bytes of a web request's headers at most
_WEB_TARGET = 4 * 1024  # bytes of its path with the query


def raw_target(request: falcon.Request) -> str:
    """Return the path and query of a request as they came, not decoded."""
    target = str(request.env.get("REQUEST_URI") or request.relative_uri)
    if target.startswith("/"):
        return target
    parts = urlsplit(target)  # the absolute form that proxies send
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_async(request: falcon.Request) -> bool:
    """Return whether a request asks for an asynchronous call.

    Raises:
        ApiError: it asks for neither ``Sync`` nor ``Async``.
    """
    return _choice(request, protocol.INVOCATION_TYPE, "Sync", "Async")


def _choice(request: falcon.Request, header: str, usual: str, other: str) -> bool:
    """Return whether a header has its other value; absent means the usual one."""
    value = (request.get_header(header) or usual).strip('"')
    if value.lower() not in (usual.lower(), other.lower()):
        raise ApiError(
            400, "InvalidArgument", f"{header} is {value[:40]!a}: expected {usual} or {other}"
        )
    return value.lower() == other.lower()


def check_size(size: int, *, is_async: bool, web: bool) -> None:
    """Check the size of a body against FC's limits.

    Raises:
        ApiError: it is too large.
    """
    limit = ASYNC_PAYLOAD if is_async else SYNC_PAYLOAD
    if size > limit:
        kind = "an asynchronous" if is_async else "a synchronous"
        code = "InvalidArgument" if web else "EntityTooLarge"
        raise ApiError(
            400,
            code,
            f"the body has {size} bytes, and {kind} call may have {limit}: send less, or put the "
            "data into a bucket and send its name",
        )


class Invoking:
    """The resources that call functions.

    A call by the API is always admitted here: its signature has been verified before.
    """

    def __init__(self, platform: Platform, queue: AsyncQueue) -> None:
        self._platform = platform
        self._queue = queue

    def on_post(
        self, request: falcon.Request, response: falcon.Response, function: str, service: str = ""
    ) -> None:
        """Invoke a function with the body as its event."""
        name, _, qualifier = service.partition(".")
        found = find_function(self._platform, function, name)
        call = Call(
            function=found.name,
            request_id=request.context.request_id,
            payload=request.context.body,
            qualifier=qualifier or request.get_param("qualifier") or "LATEST",
            client_ip=request.remote_addr,
        )
        send(response, self._answer(request, response, call))

    def on_proxy(self, req: falcon.Request, resp: falcon.Response, **kwargs: str) -> None:
        """Send a web request to a function, as an HTTP trigger does.

        The function sees its own path: FC 3.0's has no prefix, FC 2.0's has it.
        """
        name, _, qualifier = kwargs["service"].partition(".")
        found = find_function(self._platform, kwargs["function"], name)
        target = raw_target(req)
        fields = headers.passed_on(_fields(req))
        _check_web(target, headers.size(fields))
        if found.headers == "3.0":
            target = _own_target(target)
        call = Call(
            function=found.name,
            request_id=req.context.request_id,
            payload=req.context.body,
            qualifier=qualifier or "LATEST",
            method=req.method,
            target=target,
            headers=fields,
            client_ip=req.remote_addr,
            kind="http",
        )
        send(resp, self._answer(req, resp, call))

    def _answer(self, request: falcon.Request, response: falcon.Response, call: Call) -> Answer:
        tail = _choice(request, protocol.LOG_TYPE, "None", "Tail")
        if is_async(request):
            return self._accepted(request, call)
        exchange = Exchange(request.env.get("waitress.client_disconnected", lambda: False))
        outcome: Outcome | None
        if call.method:
            outcome = exchange.run(lambda: self._platform.invoke(call, exchange))
        else:
            outcome = self._platform.invoke(call, exchange)
        if outcome is None:
            response.stream, response.content_length = exchange, exchange.length
            return answers.of_head(call, exchange.head or Outcome())
        return answers.of_call(
            find_function(self._platform, call.function), call, outcome, tail=tail
        )

    def _accepted(self, request: falcon.Request, call: Call) -> Answer:
        names = (protocol.ASYNC_TASK_ID, protocol.STATEFUL_ID)
        chosen = next(filter(None, map(request.get_header, names)), "").strip('"')
        task_id = self._queue.accept(call, chosen)
        fields = [
            (protocol.REQUEST_ID, call.request_id),
            (protocol.ASYNC_TASK_ID, task_id),
            (protocol.STATEFUL_ID, task_id),
        ]
        return Answer(202, b"", fields)


def _fields(request: falcon.Request) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in request.headers.items()]


def _check_web(target: str, size: int) -> None:
    for what, found, limit in (
        ("the path with its query", len(target), _WEB_TARGET),
        ("the headers", size, _WEB_HEADERS),
    ):
        if found > limit:
            raise ApiError(
                400,
                "InvalidArgument",
                f"{what} of the web request: {found} bytes, and {limit} are allowed",
            )


def _own_target(target: str) -> str:
    """Return a target without ``/2016-08-15/proxy/service/function``."""
    path, mark, query = target.partition("?")
    own = path.removeprefix(protocol.PROXY_PATH).split("/", 2)[2:]
    return f"/{own[0] if own else ''}{mark}{query}"
