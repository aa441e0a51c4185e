"""The Falcon app over a runtime: HTTP at the edge, and nowhere else."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import falcon

from fcplug import protocol, result
from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime import Runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_OK = 200
_FAILED = 404  # never 500: FC restarts an instance whose hook answers it
_TOO_MANY = 429


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


_KEYS = {name: _key(name) for name in (*protocol.CONTEXT_HEADERS, protocol.CONTROL_PATH)}


class EnvironHeaders:
    """The headers of a WSGI request, by their lower-case names."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, None when it was not sent."""
        value: str | None = self._environ.get(_KEYS.get(name) or _key(name))
        return value


def create_app(
    runtime: Runtime, environ: Mapping[str, str], *, health_path: str | None = None
) -> "WSGIApplication":
    """Return the WSGI app that serves a runtime.

    ``environ`` is the process environment, which stands in for headers FC does not send.
    ``health_path`` answers GET and HEAD with 200 as long as no control path says otherwise.
    """

    def context_of(req: falcon.Request) -> Context:
        return Context.from_headers(EnvironHeaders(req.env), environ)

    def web(req: falcon.Request, resp: falcon.Response, **_params: Any) -> None:
        path = req.env["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        _send(resp, runtime.web(req.method, path, context_of(req)))

    def hook(run: Callable[[Context], Result]) -> _Resource:
        return _Resource(lambda req: run(context_of(req)))

    app = falcon.App(middleware=[_Dispatch(health_path)])
    app.add_route(
        Phase.INVOKE.value,
        _Resource(lambda req: runtime.invoke(req.bounded_stream.read(), context_of(req))),
    )
    app.add_route(Phase.INITIALIZE.value, hook(runtime.initialize))
    app.add_route(Phase.PRE_FREEZE.value, hook(runtime.pre_freeze))
    app.add_route(Phase.PRE_STOP.value, hook(runtime.pre_stop))
    app.add_sink(web)
    app.add_error_handler(Exception, _failed)
    # Falcon types start_response more narrowly than WSGI does
    return cast("WSGIApplication", app)


class _Resource:
    """One phase, whatever method it was asked with."""

    def __init__(self, answer: Callable[[falcon.Request], Result]) -> None:
        self._answer = answer

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(resp, self._answer(req))


class _Dispatch:
    """Rewrites path and method to the phase that a request asks for, before Falcon routes it.

    The environ keeps the client's own.
    """

    def __init__(self, health_path: str | None) -> None:
        self._health_path = health_path

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        control = req.env.get(_KEYS[protocol.CONTROL_PATH], "")
        if not control and req.path == self._health_path and req.method in ("GET", "HEAD"):
            resp.content_type, resp.data, resp.complete = falcon.MEDIA_TEXT, b"ok\n", True
            return
        phase = protocol.phase_of(control, req.method, req.path)
        req.path = phase.value
        if phase is not Phase.WEB:
            req.method = "POST"


def _send(resp: falcon.Response, answer: Result) -> None:
    status = _OK if answer.error is None else _FAILED
    resp.set_header(protocol.STATUS, str(status))
    resp.content_type = protocol.EVENT_TYPE if answer.error is None else protocol.ERROR_TYPE
    resp.status = _TOO_MANY if isinstance(answer.error, ConcurrencyExceeded) else status
    resp.data = answer.body


def _failed(
    req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]
) -> None:
    """Answer what went wrong in the runtime itself, or with a request that Falcon refuses."""
    context = Context.from_headers(EnvironHeaders(req.env), {})
    logging.getLogger("fcplug").error("a request failed in the runtime", exc_info=error)
    _send(resp, result.failure(error, context.credentials))
