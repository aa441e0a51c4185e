"""What the entry decides about a request, without asking a replica."""

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any, NamedTuple

from fcplug import protocol, result
from fcplug.config.model import RuntimeEntry
from fcplug.context import Context
from fcplug.errors import Forbidden, Unauthorized, UnknownFunction
from fcplug.identity import Credentials
from fcplug.protocol import Phase
from fcplug.ray import plan
from fcplug.ray.messages import Answer, Call
from fcplug.runtime.routing import Router
from fcplug.server.guard import reason_to_reject
from fcplug.web.exchange import failure_status

_CONTROL_PATH = protocol.ENVIRON_NAMES[protocol.CONTROL_PATH]
_REQUEST_ID = protocol.ENVIRON_NAMES[protocol.REQUEST_ID]
_TIMEOUT = protocol.ENVIRON_NAMES[protocol.FUNCTION_TIMEOUT]
_NOT_FOUND = "404 Not Found"
_TOO_MANY = f"429 {HTTPStatus.TOO_MANY_REQUESTS.phrase}"


class Routed(NamedTuple):
    """A request that functions answer: one, but for lifecycle calls that name none."""

    phase: Phase
    context: Context
    calls: list[Call]


class Front:
    """Checks requests as the runtime does, and chooses their function by its routes.

    Args:
        runtime: the settings of the configuration.
        environ: the process environment of the entry.
    """

    def __init__(self, runtime: RuntimeEntry, environ: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._environ = environ
        self._trusted = runtime.trust_callers
        self._names = protocol.ENVIRON_NAMES if self._trusted else protocol.UNTRUSTED_ENVIRON_NAMES
        self._gate = None
        if runtime.auth:
            from fcplug.web import auth  # noqa: PLC0415 - OpenSSL, where callers are asked

            self._gate = auth.gate(runtime.auth, environ)
        self.routing: Mapping[str, Any] = {"functions": {}}

    def apply(self, routing: Mapping[str, Any]) -> None:
        """Route by these functions and routes from now on."""
        config = plan.routed(routing, self._runtime)
        self._router = Router(config)
        self.routing = routing

    def decide(self, environ: dict[str, str], body: bytes) -> Answer | Routed:
        """Return the answer of the entry itself, or the calls to make."""
        control = environ.get(_CONTROL_PATH, "")
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if protocol.is_health_check(method, path, control, self._runtime.health_path):
            return Answer(
                "200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")], b"ok\n"
            )
        if refusal := reason_to_reject(environ):
            return Answer(refusal.status, _sized(refusal.fields, refusal.body), refusal.body)
        if self._gate and (why := self._gate({**environ, "wsgi.input": BytesIO(body)})):
            return failed("401 Unauthorized", Unauthorized(why))
        phase = protocol.phase_of(control, method, path)
        if phase not in (Phase.WEB, Phase.INVOKE) and not self._trusted:
            return failed("403 Forbidden", Forbidden(phase.path))
        context = Context(environ, self._environ, header_names=self._names)
        environ[_REQUEST_ID] = context.request_id  # the replica's, and every answer's
        try:
            names = self._names_of(phase, context, environ, body)
        except UnknownFunction as error:
            return failure_of(phase, error, context)
        return Routed(phase, context, [Call(name, environ, body) for name in names])

    def limit_of(self, call: Call) -> float | None:
        """Return how many seconds the answer to a call may take, None without a limit."""
        limits = [self.routing["functions"].get(call.function, {}).get("timeout")]
        sent = call.environ.get(_TIMEOUT, "")
        if sent.isascii() and sent.isdigit() and int(sent[:9]) > 0:
            limits.append(float(sent[:9]))
        return min((limit for limit in limits if limit is not None), default=None)

    def _names_of(
        self, phase: Phase, context: Context, environ: dict[str, str], body: bytes
    ) -> list[str]:
        """Return the functions that a request is for, as the runtime chooses them.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        if phase is Phase.WEB:
            return [self._router.resolve(context, None, environ)]
        if phase is Phase.INVOKE:
            return [self._router.resolve(context, body)]
        named = context.header(protocol.FUNCTION_NAME) or context.header(protocol.FUNCTION_HANDLER)
        return self._router.candidates(context) if named else list(self.routing["functions"])


def failure_of(phase: Phase, error: BaseException, context: Context) -> Answer:
    """Return FC's error document for a call that failed before a replica answered it."""
    status = failure_status(error)
    if phase is not Phase.WEB and status != _TOO_MANY:
        status = _NOT_FOUND
    return failed(status, error, context.credentials)


def failed(status: str, error: BaseException, keys: Credentials | None = None) -> Answer:
    """Return an error document; FC counts the call as failed."""
    document = result.failure(error, keys or Credentials()).body
    fields = [("Content-Type", protocol.ERROR_TYPE), (protocol.STATUS, "404")]
    return Answer(status, _sized(fields, document), document)


def _sized(fields: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    return [*fields, ("Content-Length", str(len(body)))]
