"""The app over a runtime: HTTP at the edge, and nowhere else.

A front decides what a request asks for. The platform's phases go on to Falcon; web requests go
straight to the runtime, since what an application answers is sent as it is.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import falcon
from falcon.routing import map_http_methods

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
from fcplug.process.lazy_imports import without_media_types_of_the_system
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime
from fcplug.web.environ import HEALTH_CHECK
from fcplug.web.exchange import failure_status
from fcplug.web.response import close_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from falcon.routing import CompiledRouter

    from fcplug.runtime.broadcast import LifecycleHooks
    from fcplug.web.auth import Gate

    ContextOf = Callable[[WSGIEnvironment], Context]

log = logging.getLogger("fcplug")

# Python 3.11 runs a function for each look-up of an Enum's member
_INVOKE, _WEB = Phase.INVOKE, Phase.WEB

_FAILED = 404  # never 500: FC restarts an instance whose hook answers it
_TOO_MANY = 429
_UNAUTHORIZED = "401 Unauthorized"
_FORBIDDEN = "403 Forbidden"
_PHASE_FAILED = f"{_FAILED} Not Found"

_FAILURE_FIELDS = {protocol.STATUS: str(_FAILED), "Content-Type": protocol.ERROR_TYPE}
_CONTROL_PATH = protocol.ENVIRON_NAMES[protocol.CONTROL_PATH]
_CREDENTIALS = [protocol.ENVIRON_NAMES[name] for name in protocol.CREDENTIAL_HEADERS]
_CLIENT_IP = protocol.environ_key(protocol.CLIENT_IP)
_FORWARDED_PROTO = protocol.environ_key(protocol.FORWARDED_PROTO)


def create_app(
    runtime: Runtime,
    environ: Mapping[str, str],
    settings: RuntimeEntry,
    hooks: "LifecycleHooks | None" = None,
) -> "WSGIApplication":
    """Return the WSGI app that serves a runtime; ``hooks`` run its lifecycle hooks, else itself.

    ``environ`` is the process environment. It stands in for headers that FC does not send, and says
    whether this is FC, where the platform is the only caller and needs no authentication.
    """
    on_fc = bool(environ.get(protocol.INSTANCE_VARIABLE))
    trusted = on_fc or settings.trust_callers
    if on_fc and settings.auth:
        log.info(
            "auth is not asked for: %s is set, as on Function Compute", protocol.INSTANCE_VARIABLE
        )

    names = protocol.ENVIRON_NAMES if trusted else protocol.UNTRUSTED_ENVIRON_NAMES

    def context_of(request: "WSGIEnvironment") -> Context:
        return Context(request, environ, names)

    return _Front(
        _phases(runtime, hooks or runtime, context_of),
        _Web(runtime, context_of, trusted=trusted),
        settings.health_path,
        None if on_fc else _gate(settings, environ),
        trusted=trusted,
    ).answer  # a method is called faster than an object


class _Front:
    """Answers health checks, rejects unknown callers, and separates phases from web requests."""

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
        self._pages = web_requests.pages

    def answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        control = environ.get(_CONTROL_PATH, "")
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        is_health_check = environ.pop(HEALTH_CHECK, None)  # from fcplug's own server
        if is_health_check is None:
            is_health_check = protocol.is_health_check(method, path, control, self._health_path)
        if is_health_check:
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
            return [b"ok\n"]
        if self._gate and (why := self._gate(environ)):
            return _reject(_UNAUTHORIZED, Unauthorized(why), start_response)
        phase = protocol.BY_CONTROL_PATH.get(control) or protocol.phase_of(control, method, path)
        if phase is _WEB:
            page = self._pages.get(path)
            return (page or self._web)(environ, start_response)
        if not self._trusted and phase is not _INVOKE:
            return _reject(_FORBIDDEN, Forbidden(phase.path), start_response)
        if self._web.takes(environ, phase):
            return self._web(environ, start_response, phase)
        environ["PATH_INFO"], environ["REQUEST_METHOD"] = phase.path, "POST"
        return self._phases(environ, start_response)


class _Web:
    """Web requests, answered by the runtime.

    Attributes:
        pages: the paths that observers answer instead.
    """

    def __init__(
        self,
        runtime: Runtime,
        context_of: "ContextOf",
        *,
        trusted: bool,
    ) -> None:
        self._runtime = runtime
        self.pages = runtime.observers.pages if runtime.observers else {}
        self._context_of = context_of
        self._trusted = trusted

    def takes(self, environ: "WSGIEnvironment", phase: Phase) -> bool:
        """Return whether the application of a call's function answers all phases."""
        if not self._runtime.forwarding:
            return False
        event = self._runtime.event_of(environ) if phase is _INVOKE else None
        return self._runtime.forwards(self._context_of(environ), event)

    def __call__(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        phase: Phase = _WEB,
    ) -> Iterable[bytes]:
        context = self._context_of(environ)
        if self._trusted:
            _trust_platform(environ)
        else:
            for key in _CREDENTIALS:
                environ.pop(key, None)
        answer = self._runtime.web(environ, context, phase)
        if isinstance(answer, Result):
            if phase is _WEB:
                status = failure_status(answer.error)
            else:
                status = failure_status(answer.error, _PHASE_FAILED)
            return _send_failure(status, answer, start_response)
        try:
            start_response(answer.status, answer.headers)
        except BaseException:
            close_body(answer.body)
            raise
        return answer.body


def _trust_platform(environ: "WSGIEnvironment") -> None:
    """Take the client's address and scheme from the platform's headers."""
    if client := environ.get(_CLIENT_IP):
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = client
    if forwarded := environ.get(_FORWARDED_PROTO):
        scheme = forwarded.rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme


def _phases(
    runtime: Runtime, hooks: "LifecycleHooks", context_of: "ContextOf"
) -> "WSGIApplication":
    """Return the Falcon app of the four phases, each of which is a path."""
    with without_media_types_of_the_system():
        # Falcon types the router more narrowly than it documents it
        router = cast("CompiledRouter", _FixedPaths())
        app = falcon.App(media_type=protocol.EVENT_TYPE, router=router)
    app.add_route(Phase.INVOKE.path, _Invoke(runtime, context_of))
    app.add_route(Phase.INITIALIZE.path, _Hook(hooks.initialize, context_of))
    app.add_route(Phase.PRE_FREEZE.path, _Hook(hooks.pre_freeze, context_of))
    app.add_route(Phase.PRE_STOP.path, _Hook(hooks.pre_stop, context_of))
    app.add_error_handler(Exception, _failed)
    # the method is called faster; Falcon types start_response more narrowly than WSGI does
    return cast("WSGIApplication", app.__call__)


# the resource, its methods, no parameters, and the path
_Route = tuple[object, Mapping[str, Any], dict[str, Any], str]


class _FixedPaths:
    """A router of Falcon's for paths without parameters: one look-up, and nothing to compile."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def add_route(self, path: str, resource: object, **_options: object) -> None:
        self._routes[path] = resource, map_http_methods(resource), {}, path

    def find(self, uri: str, req: falcon.Request | None = None) -> "_Route | None":  # noqa: ARG002
        return self._routes.get(uri)


class _Invoke:
    """The resource of events; the front turns every method into POST."""

    def __init__(self, runtime: Runtime, context_of: "ContextOf") -> None:
        self._runtime = runtime
        self._context_of = context_of

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        # a length is always there, of a chunked body too: the server or the guard gives it
        event = req.env["wsgi.input"].read(int(req.env.get("CONTENT_LENGTH") or 0))
        _send(resp, self._runtime.invoke(event, self._context_of(req.env)))


class _Hook:
    """The resource of one lifecycle hook."""

    def __init__(self, run: Callable[[Context], Result], context_of: "ContextOf") -> None:
        self._run = run
        self._context_of = context_of

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(resp, self._run(self._context_of(req.env)))


def _gate(settings: RuntimeEntry, environ: Mapping[str, str]) -> "Gate | None":
    if settings.auth is None:
        return None
    from fcplug.web import auth  # noqa: PLC0415 - OpenSSL, where callers are asked

    return auth.gate(settings.auth, environ)


def _reject(status: str, error: FcplugError, start_response: "StartResponse") -> Iterable[bytes]:
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
    if answer.error is None:
        # Falcon's own status and type are the right ones
        resp.set_header(protocol.STATUS, protocol.SUCCEEDED)
    else:
        resp.status = _TOO_MANY if isinstance(answer.error, ConcurrencyExceeded) else _FAILED
        resp.set_headers(_FAILURE_FIELDS)
    resp.data = answer.body


def _failed(
    req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]
) -> None:
    """Answer an error of the runtime itself, or of a request that Falcon rejects."""
    context = Context(req.env, {}, header_names=protocol.ENVIRON_NAMES)
    log.error("a request failed in the runtime", exc_info=error)
    _send(resp, result.failure(error, context.credentials))
