"""The Falcon app over a runtime: HTTP at the edge, and nowhere else."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import falcon

from fcplug import auth, protocol, result
from fcplug.auth import Gate, Signature, Token
from fcplug.context import Context
from fcplug.entries import RuntimeEntry
from fcplug.errors import ConcurrencyExceeded, Unauthorized
from fcplug.identity import Credentials
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime import Runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fcplug")

_OK = 200
_FAILED = 404  # never 500: FC restarts an instance whose hook answers it
_UNAUTHORIZED = 401
_TOO_MANY = 429
_HIDDEN = "fcplug.hidden"  # in no environ


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


_KEYS = {name: _key(name) for name in (*protocol.CONTEXT_HEADERS, protocol.CONTROL_PATH)}


_KEYS_WITHOUT_CREDENTIALS = {**_KEYS, **dict.fromkeys(protocol.CREDENTIAL_HEADERS, _HIDDEN)}


class EnvironHeaders:
    """The headers of a WSGI request, by their lower-case names.

    Credentials are there only if whoever sends them is ``trusted``.
    """

    __slots__ = ("_environ", "_keys")

    def __init__(self, environ: Mapping[str, Any], *, trusted: bool = True) -> None:
        self._environ = environ
        self._keys = _KEYS if trusted else _KEYS_WITHOUT_CREDENTIALS

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, None when it was not sent."""
        value: str | None = self._environ.get(self._keys.get(name) or _key(name))
        return value


def create_app(
    runtime: Runtime, environ: Mapping[str, str], settings: RuntimeEntry
) -> "WSGIApplication":
    """Return the WSGI app that serves a runtime.

    ``environ`` is the process environment: it stands in for headers FC does not send, and tells
    whether this is FC, where the platform is the only caller and nothing is asked of it.
    """
    on_fc = bool(environ.get(protocol.INSTANCE_VARIABLE))
    trusted = on_fc or settings.auth is not None or settings.trust_credentials

    def context_of(req: falcon.Request) -> Context:
        return Context.from_headers(EnvironHeaders(req.env, trusted=trusted), environ)

    def web(req: falcon.Request, resp: falcon.Response, **_params: Any) -> None:
        path = req.env["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        _send(resp, runtime.web(req.method, path, context_of(req)))

    def hook(run: Callable[[Context], Result]) -> _Resource:
        return _Resource(lambda req: run(context_of(req)))

    app = falcon.App(
        middleware=[_Dispatch(settings.health_path, None if on_fc else _gate(settings))]
    )
    app.add_route(
        Phase.INVOKE.value,
        _Resource(lambda req: runtime.invoke(_body(req), context_of(req))),
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

    def __init__(self, health_path: str | None, gate: Gate | None) -> None:
        self._health_path = health_path
        self._gate = gate

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        control = req.env.get(_KEYS[protocol.CONTROL_PATH], "")
        if not control and req.path == self._health_path and req.method in ("GET", "HEAD"):
            resp.content_type, resp.data, resp.complete = falcon.MEDIA_TEXT, b"ok\n", True
            return
        if self._gate and (why := self._gate.refusal(_shown(req))):
            _refuse(resp, why)
            return
        phase = protocol.phase_of(control, req.method, req.path)
        req.path = phase.value
        if phase is not Phase.WEB:
            req.method = "POST"


def _gate(settings: RuntimeEntry) -> Gate | None:
    if settings.auth is None:
        return None
    return Token(settings.auth.tokens) if settings.auth.tokens else Signature(settings.auth.keys)


def _shown(req: falcon.Request) -> auth.Request:
    """Return what a caller shows, and what a signature covers."""
    headers = EnvironHeaders(req.env)
    return auth.Request(
        authorization=req.env.get("HTTP_AUTHORIZATION", ""),
        signature=headers.get(protocol.SIGNATURE) or "",
        method=req.method,
        path=req.env.get("REQUEST_URI") or req.path,
        function=headers.get(protocol.FUNCTION_NAME) or "",
        body=_body(req),
    )


def _body(req: falcon.Request) -> bytes:
    """Return the request's body, which can be read only once."""
    if not hasattr(req.context, "body"):
        req.context.body = req.bounded_stream.read()
    body: bytes = req.context.body
    return body


def _refuse(resp: falcon.Response, why: str) -> None:
    log.warning("a request is refused: %s", why)
    _send(resp, result.failure(Unauthorized(why), Credentials()))
    resp.status = _UNAUTHORIZED
    resp.complete = True


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
    log.error("a request failed in the runtime", exc_info=error)
    _send(resp, result.failure(error, context.credentials))
