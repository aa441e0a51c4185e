"""Function Compute's custom-runtime protocol, spelled once.

Facts of the FC 2.0 and 3.0 documentation ("Specifications", "Web functions", "Lifecycle hooks",
"Environment variables") and of observed traffic. Nowhere else in the package may a header of FC
be spelled out.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

PREFIX = "x-fc-"  # of every header that is FC's own

# Request headers. Present but empty is normal on FC 3.0 and means absent.
CONTROL_PATH = "x-fc-control-path"
REQUEST_ID = "x-fc-request-id"
ACCESS_KEY_ID = "x-fc-access-key-id"
ACCESS_KEY_SECRET = "x-fc-access-key-secret"  # noqa: S105 - a header's name
SECURITY_TOKEN = "x-fc-security-token"  # noqa: S105 - a header's name
FUNCTION_NAME = "x-fc-function-name"
FUNCTION_HANDLER = "x-fc-function-handler"
FUNCTION_MEMORY = "x-fc-function-memory"  # MB
FUNCTION_TIMEOUT = "x-fc-function-timeout"  # seconds
REGION = "x-fc-region"
ACCOUNT_ID = "x-fc-account-id"
QUALIFIER = "x-fc-qualifier"
VERSION_ID = "x-fc-version-id"
SERVICE_NAME = "x-fc-service-name"
LOG_PROJECT = "x-fc-service-logproject"
LOG_STORE = "x-fc-service-logstore"
RETRY_COUNT = "x-fc-retry-count"
SPAN_CONTEXT = "x-fc-tracing-opentracing-span-context"
SPAN_BAGGAGES = "x-fc-tracing-opentracing-span-baggages"  # base64 of a JSON object
JAEGER_ENDPOINT = "x-fc-tracing-jaeger-endpoint"

# What only the platform sends, and the runtime does not read.
FUNCTION_INITIALIZER = "x-fc-function-initializer"
INITIALIZATION_TIMEOUT = "x-fc-initialization-timeout"  # seconds
PRE_STOP_HANDLER = "x-fc-instance-lifecycle-pre-stop-handler"
PRE_FREEZE_HANDLER = "x-fc-instance-lifecycle-pre-freeze-handler"
BASE_PATH = "x-fc-base-path"  # FC 3.0: the whole path of a web request
EMPTY_HEADERS = (  # FC 3.0 sends them, without a value
    "x-fc-api-server-ip",
    "x-fc-eagleeye-rpcid",
    "x-fc-eagleeye-traceid",
    "x-fc-eagleeye-userdata",
)

CREDENTIAL_HEADERS = (ACCESS_KEY_ID, ACCESS_KEY_SECRET, SECURITY_TOKEN)
CREDENTIAL_VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)

CONTEXT_HEADERS = (
    REQUEST_ID,
    *CREDENTIAL_HEADERS,
    FUNCTION_NAME,
    FUNCTION_HANDLER,
    FUNCTION_MEMORY,
    FUNCTION_TIMEOUT,
    REGION,
    ACCOUNT_ID,
    QUALIFIER,
    VERSION_ID,
    SERVICE_NAME,
    LOG_PROJECT,
    LOG_STORE,
    RETRY_COUNT,
    SPAN_CONTEXT,
    SPAN_BAGGAGES,
    JAEGER_ENDPOINT,
)
"""Every header of FC that a context is made of."""

TRACE_HEADERS = ("traceparent", "tracestate", "baggage")  # the W3C's, which a caller may send


class Headers(Protocol):
    """The headers of one call, by names that their sender chose."""

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, None when it was not sent."""


class _SameNames(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


SAME_NAMES: Mapping[str, str] = _SameNames({name: name for name in CONTEXT_HEADERS})
"""What ``Headers`` call a header, where they use its own lower-case name."""


def environ_key(header: str) -> str:
    """Return what a WSGI environ calls a request header."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class _EnvironNames(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return environ_key(name)


ENVIRON_NAMES: Mapping[str, str] = _EnvironNames(
    {name: environ_key(name) for name in (*CONTEXT_HEADERS, *TRACE_HEADERS, CONTROL_PATH)}
)
"""What a WSGI environ calls a header."""

UNTRUSTED_ENVIRON_NAMES: Mapping[str, str] = _EnvironNames(
    {**ENVIRON_NAMES, **dict.fromkeys(CREDENTIAL_HEADERS, "fcplug.hidden")}  # in no environ
)
"""What a WSGI environ calls a header, with credentials left out: not of trusted callers."""

VARIABLES: Mapping[str, tuple[str, ...]] = {
    FUNCTION_NAME: ("FC_FUNCTION_NAME",),
    FUNCTION_HANDLER: ("FC_FUNCTION_HANDLER",),
    FUNCTION_MEMORY: ("FC_FUNCTION_MEMORY_SIZE",),
    REGION: ("FC_REGION",),
    ACCOUNT_ID: ("FC_ACCOUNT_ID",),
    QUALIFIER: ("FC_QUALIFIER",),
    VERSION_ID: ("FC_FUNCTION_VERSION", "FC_VER_ID"),
    SERVICE_NAME: ("FC_SERVICE_NAME",),
}
"""The environment variables that stand in for a header FC did not send."""

CLIENT_IP = "x-fc-client-ip"
FORWARDED_PROTO = "x-forwarded-proto"  # each proxy appends its own: the last one is FC's
PROXY_PATH = "/2016-08-15/proxy/"  # where FC 2.0 serves HTTP functions, and a path begins then

_SHOWN = {
    "FC_FUNC_CODE_PATH",
    "FC_ACCOUNT_ID",
    "FC_CUSTOM_LISTEN_PORT",
    "FC_FUNCTION_HANDLER",
    "FC_FUNCTION_MEMORY_SIZE",
    "FC_FUNCTION_NAME",
    "FC_FUNCTION_VERSION",
    "FC_INSTANCE_ID",
    "FC_QUALIFIER",
    "FC_REGION",
    "FC_RUNTIME_VERSION",
    "FC_SERVER_PORT",
    "FC_SERVICE_NAME",
    "FC_SNAPSHOT_FLAG",
    "FC_VER_ID",
}

SIGNATURE = "x-fcplug-signature"  # not FC's: what callers outside FC sign with

# Headers of the InvokeFunction API: what a client asks for, and what it learns of the call.
INVOCATION_TYPE = "x-fc-invocation-type"  # Sync or Async
LOG_TYPE = "x-fc-log-type"  # None or Tail
ASYNC_TASK_ID = "x-fc-async-task-id"
STATEFUL_ID = "x-fc-stateful-async-invocation-id"  # the same in FC 2.0
FUNCTION_ERROR = "x-fc-error-type"
LOG_RESULT = "x-fc-log-result"  # base64
INVOCATION_DURATION = "x-fc-invocation-duration"  # ms
MAX_MEMORY_USAGE = "x-fc-max-memory-usage"  # MB
INSTANCE_ID = "x-fc-instance-id"
SERVICE_VERSION = "x-fc-invocation-service-version"

# Response header: it alone decides whether FC counts the call as failed. An application may set it.
STATUS = "x-fc-status"
SUCCEEDED = "200"

_RESERVED = {
    "connection",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
}

EVENT_TYPE = "application/octet-stream"
ERROR_TYPE = "application/json"

DEFAULT_PORT = 9000
PORT_VARIABLES = ("FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT")
INSTANCE_VARIABLE = "FC_FUNCTION_NAME"  # set by FC in every instance, and nowhere else
CODE_PATH_VARIABLE = "FC_FUNC_CODE_PATH"
CODE_PATH = "/code"  # where FC puts the code, and what the variable says there
LAYER_PATH = "/opt/python"
MAX_EVENT_SIZE = 32 * 1024 * 1024  # bytes: FC's limit of a synchronous invocation
MAX_RESPONSE_FIELDS = 8 * 1024  # bytes of a web answer's header fields
MAX_LOG_RECORD = 32 * 1024  # bytes: the log service cuts longer entries

FAILED_SUFFIX = ", Error: Unhandled function error"  # of a phase's end line
INITED_LINE = "FunctionCompute fcplug runtime inited."


class Phase(Enum):
    """What a request asks for; the value is the path that FC gives the phase.

    The request id follows each log line, and after a failure ``FAILED_SUFFIX``.

    Attributes:
        path: the value.
        start_line: the line before the phase runs.
        end_line: the line after it ran.
    """

    INVOKE = "/invoke", "Invoke"
    INITIALIZE = "/initialize", "Initialize"
    PRE_FREEZE = "/pre-freeze", "PreFreeze"
    PRE_STOP = "/pre-stop", "PreStop"
    WEB = "/http-invoke", "Invoke"

    path: str
    start_line: str
    end_line: str

    def __new__(cls, path: str, log_name: str) -> "Phase":
        """Make a member from its path and its name in FC's log lines."""
        phase = object.__new__(cls)
        phase._value_ = phase.path = path
        phase.start_line = f"FC {log_name} Start RequestId: "
        phase.end_line = f"FC {log_name} End RequestId: "
        return phase


BY_CONTROL_PATH: Mapping[str, Phase] = {phase.path: phase for phase in Phase}
_BY_REQUEST = {
    ("POST", "/invoke"): Phase.INVOKE,
    ("POST", "/initialize"): Phase.INITIALIZE,
    ("GET", "/pre-freeze"): Phase.PRE_FREEZE,
    ("GET", "/pre-stop"): Phase.PRE_STOP,
}


def phase_of(control_path: str, method: str, path: str) -> Phase:
    """Return the phase that a request asks for.

    The control path wins: on an HTTP call method and path are the client's to choose. Local tools
    do not send it; then method and path decide. An unknown control path counts as absent.
    """
    by_control = BY_CONTROL_PATH.get(control_path)
    return by_control or _BY_REQUEST.get((method, path), Phase.WEB)


def is_health_check(method: str, path: str, control_path: str, health_path: str | None) -> bool:
    """Return whether a request is a health check; with a control path, its path is the client's."""
    return not control_path and path == health_path and method in ("GET", "HEAD")


def is_reserved(header: str) -> bool:
    """Return whether a response header is the platform's or the server's to set."""
    name = header.lower()
    return name in _RESERVED or (name.startswith(PREFIX) and name != STATUS)


def proxy_prefix(path: str, service: str, function: str) -> str:
    """Return what FC 2.0 puts before an HTTP function's own path; empty where it did not.

    ``/2016-08-15/proxy/service[.qualifier]/function``, of this very service and function.
    """
    if not (service and function and path.startswith(PROXY_PATH)):
        return ""
    named, _, rest = path[len(PROXY_PATH) :].partition("/")
    called = rest.partition("/")[0]
    if named.partition(".")[0] != service or called != function:
        return ""
    return f"{PROXY_PATH}{named}/{called}"


def port(environ: Mapping[str, str]) -> int:
    """Return the port to listen on: the first variable that FC or its tools set, else 9000.

    Raises:
        ValueError: the variable is not a port number.
    """
    for name in PORT_VARIABLES:
        if text := environ.get(name):
            if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
                return int(text)
            raise ValueError(f"{name} is {text!r}: expected a port number from 0 to 65535")
    return DEFAULT_PORT


def hidden_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of FC's own that user code does not see.

    On FC those that FC's built-in runtime removes before it imports user code, except the ports,
    which web applications read. Elsewhere none: there ``FC_*`` variables are the user's.
    """
    if not environ.get(INSTANCE_VARIABLE):
        return []
    return [name for name in environ if name.startswith(("FC_", "_FC_")) and name not in _SHOWN]
