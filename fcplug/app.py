"""The app over a runtime: HTTP at the edge, and nowhere else.

A front decides what a request asks for. The platform's phases go on to Falcon; web requests go
straight to the runtime, since what an application answers is sent as it is.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import falcon

from fcplug import protocol, result
from fcplug.config.model import RuntimeEntry
from fcplug.context import Context
from fcplug.errors import (
    ConcurrencyExceeded,
    FcplugError,
    Forbidden,
    Unauthorized,
)
from fcplug.identity import Credentials
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime
from fcplug.web.environ import body_of
from fcplug.web.exchange import failure_status
from fcplug.web.response import close_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from fcplug.web.auth import Gate

log = logging.getLogger("fcplug")

_OK = 200
_FAILED = 404  # never 500: FC restarts an instance whose hook answers it
_TOO_MANY = 429
_HIDDEN = "fcplug.hidden"  # in no environ
_UNAUTHORIZED = "401 Unauthorized"
_FORBIDDEN = "403 Forbidden"
_PHASE_FAILED = f"{_FAILED} Not Found"

_KEYS = {
    name: protocol.environ_key(name) for name in (*protocol.CONTEXT_HEADERS, protocol.CONTROL_PATH)
}
_KEYS_WITHOUT_CREDENTIALS = {**_KEYS, **dict.fromkeys(protocol.CREDENTIAL_HEADERS, _HIDDEN)}
_CLIENT_IP = protocol.environ_key(protocol.CLIENT_IP)
_FORWARDED_PROTO = protocol.environ_key(protocol.FORWARDED_PROTO)


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
        key = self._keys.get(name) or protocol.environ_key(name)
        value: str | None = self._environ.get(key)
        return value


def create_app(
    runtime: Runtime, environ: Mapping[str, str], settings: RuntimeEntry
) -> "WSGIApplication":
    """Return the WSGI app that serves a runtime.

    ``environ`` is the process environment: it stands in for headers FC does not send, and tells
    whether this is FC, where the platform is the only caller and nothing is asked of it.
    """
    on_fc = bool(environ.get(protocol.INSTANCE_VARIABLE))
    trusted = on_fc or settings.trust_callers
    if on_fc and settings.auth:
        log.info(
            "auth is not asked for: %s is set, as on Function Compute", protocol.INSTANCE_VARIABLE
        )

    def context_of(sent: "WSGIEnvironment") -> Context:
        return Context.from_headers(EnvironHeaders(sent, trusted=trusted), environ)

    return _Front(
        _phases(runtime, context_of),
        _Web(runtime, context_of, trusted=trusted),
        settings.health_path,
        None if on_fc else _gate(settings, environ),
        trusted=trusted,
    )


class _Front:
    """Answers health checks, turns strangers away, and tells phases from web requests."""

    def __init__(
        self,
        phases: "WSGIApplication",
        web_requests: "_Web",
        health_path: str | None,
        gate: "Gate | None",
        *,
        trusted: bool,
    ) -> None:
        self._phases = phases
        self._web = web_requests
        self._health_path = health_path
        self._gate = gate
        self._trusted = trusted

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        control = environ.get(_KEYS[protocol.CONTROL_PATH], "")
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if protocol.is_health_check(method, path, control, self._health_path):
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
            return [b"ok\n"]
        if self._gate and (why := self._gate(environ)):
            return _refuse(_UNAUTHORIZED, Unauthorized(why), start_response)
        phase = protocol.phase_of(control, method, path)
        if phase is Phase.WEB:
            return self._web(environ, start_response)
        if phase is not Phase.INVOKE and not self._trusted:
            return _refuse(_FORBIDDEN, Forbidden(phase.value), start_response)
        if self._web.takes(environ):
            return self._web(environ, start_response, phase)
        environ["PATH_INFO"], environ["REQUEST_METHOD"] = phase.value, "POST"
        return self._phases(environ, start_response)


class _Web:
    """Web requests, answered by the runtime."""

    def __init__(
        self,
        runtime: Runtime,
        context_of: "Callable[[WSGIEnvironment], Context]",
        *,
        trusted: bool,
    ) -> None:
        self._runtime = runtime
        self._context_of = context_of
        self._trusted = trusted

    def takes(self, environ: "WSGIEnvironment") -> bool:
        """Return whether the application of a call's function answers all phases."""
        return self._runtime.forwarding and self._runtime.forwards(self._context_of(environ))

    def __call__(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        phase: Phase = Phase.WEB,
    ) -> Iterable[bytes]:
        context = self._context_of(environ)
        if self._trusted:
            _believe(environ)
        else:
            for name in protocol.CREDENTIAL_HEADERS:
                environ.pop(_KEYS[name], None)
        answer = self._runtime.web(environ, context, phase)
        if isinstance(answer, Result):
            if phase is Phase.WEB:
                status = failure_status(answer.error)
            else:
                status = failure_status(answer.error, _PHASE_FAILED)
            return _send_failure(status, answer, start_response)
        try:
            start_response(answer.status, _with_status(answer.headers))
        except BaseException:
            close_body(answer.body)
            raise
        return answer.body


def _believe(environ: "WSGIEnvironment") -> None:
    """Take the client's address and scheme from the platform's headers."""
    if client := environ.get(_CLIENT_IP):
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = client
    scheme = environ.get(_FORWARDED_PROTO, "").rpartition(",")[2].strip().lower()
    if scheme in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme


def _with_status(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers with one status for FC: the application's first, else a success."""
    others = [field for field in headers if field[0].lower() != protocol.STATUS]
    own = (value for name, value in headers if name.lower() == protocol.STATUS and value)
    return [*others, (protocol.STATUS, next(own, str(_OK)))]


def _phases(
    runtime: Runtime, context_of: "Callable[[WSGIEnvironment], Context]"
) -> "WSGIApplication":
    """Return the Falcon app of the four phases, each of which is a path."""

    def hook(run: Callable[[Context], Result]) -> _Resource:
        return _Resource(lambda req: run(context_of(req.env)))

    app = falcon.App()
    app.add_route(
        Phase.INVOKE.value,
        _Resource(lambda req: runtime.invoke(body_of(req.env), context_of(req.env))),
    )
    app.add_route(Phase.INITIALIZE.value, hook(runtime.initialize))
    app.add_route(Phase.PRE_FREEZE.value, hook(runtime.pre_freeze))
    app.add_route(Phase.PRE_STOP.value, hook(runtime.pre_stop))
    app.add_error_handler(Exception, _failed)
    # Falcon types start_response more narrowly than WSGI does
    return cast("WSGIApplication", app)


class _Resource:
    """One phase, whatever method it was asked with."""

    def __init__(self, answer: Callable[[falcon.Request], Result]) -> None:
        self._answer = answer

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(resp, self._answer(req))


def _gate(settings: RuntimeEntry, environ: Mapping[str, str]) -> "Gate | None":
    if settings.auth is None:
        return None
    from fcplug.web import auth  # noqa: PLC0415 - OpenSSL, where callers are asked

    return auth.gate(settings.auth, environ)


def _refuse(status: str, error: FcplugError, start_response: "StartResponse") -> Iterable[bytes]:
    log.warning("a request is refused: %s", error)
    return _send_failure(status, result.failure(error, Credentials()), start_response)


def _send_failure(status: str, failure: Result, start_response: "StartResponse") -> Iterable[bytes]:
    headers = [
        ("Content-Type", protocol.ERROR_TYPE),
        ("Content-Length", str(len(failure.body))),
        (protocol.STATUS, str(_FAILED)),
    ]
    start_response(status, headers)
    return [failure.body]


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
