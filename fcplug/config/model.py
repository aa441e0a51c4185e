"""The keys of ``functions.yaml``: type, limits, default and purpose of each."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from fcplug.config.routes import RouteEntry, ShadowEntry
from fcplug.config.scale import ScaleEntry

_SECONDS, _BYTES = {"unit": "seconds"}, {"unit": "bytes"}
Seconds = Annotated[float, Meta(gt=0, le=86400, extra=_SECONDS)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
FunctionName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$(?!\n)",
        description="a function name: letters, digits, '_', '.' and '-', at most 128",
    ),
]
UrlPath = Annotated[str, Meta(pattern="^/", description="a path that begins with /")]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file; unknown keys are errors."""


Secret = Annotated[str, Meta(min_length=16, description="a secret of at least 16 characters")]


class AuthEntry(_Entry, frozen=True):
    """How callers outside FC prove who they are: by a token, or by a signature."""

    tokens: Annotated[list[Secret], Meta(description="accepted as Authorization: Bearer ...")] = []
    keys: Annotated[
        list[Secret], Meta(description="accepted as HMAC keys of X-Fcplug-Signature")
    ] = []


class ObserverEntry(_Entry, frozen=True):
    """A plugin that sees the calls of all functions, and its settings."""

    name: str
    settings: dict[str, Any] = {}


class RuntimeEntry(_Entry, frozen=True):
    """The process as a whole."""

    threads: Annotated[Count, Meta(description="invocations at once in this process")] = 32
    answer_on_loop: Annotated[
        bool,
        Meta(
            description="whether the thread that receives a request answers it while answers are "
            "quick; false hands each request to another thread"
        ),
    ] = True
    drain_timeout: Annotated[
        Seconds, Meta(description="seconds to finish what was accepted, after SIGTERM")
    ] = 30.0
    min_send_rate: Annotated[
        Annotated[int, Meta(ge=1, extra={"unit": "bytes a second"})] | None,
        Meta(
            description="bytes a second that a client must read of an answer that waits for it, "
            "else it is cut off after 10 seconds; null for any pace"
        ),
    ] = 16 * 1024
    processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)],
        Meta(description="processes that serve; above 1 under a supervisor, which restarts them"),
    ] = 1
    supervise: Annotated[
        bool, Meta(description="whether a single process has a supervisor that restarts it, too")
    ] = False
    preload: Annotated[
        bool, Meta(description="whether supervised processes share what they imported")
    ] = True
    memory_watermark: Annotated[
        Annotated[int, Meta(ge=16 * 1024 * 1024, extra=_BYTES)] | None,
        Meta(description="bytes of memory above which a supervised process is replaced"),
    ] = None
    log_format: Annotated[
        Literal["text", "json"], Meta(description="how log records are written")
    ] = "text"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Meta(description="the least level of log record that is written"),
    ] = "INFO"
    log_blocked: Annotated[
        Literal["wait", "drop"],
        Meta(description="while nothing reads the log: lines wait, or are dropped and counted"),
    ] = "wait"
    access_log: Annotated[
        bool, Meta(description="whether each web request is logged, at the level INFO")
    ] = True
    health_path: Annotated[
        UrlPath | None,
        Meta(description="answers GET with 200 even while all threads are busy; null for none"),
    ] = "/health"
    watchdog: Annotated[
        Annotated[float, Meta(ge=3, le=86400, extra=_SECONDS)] | None,
        Meta(description="seconds of a hang that holds the GIL until the process is ended"),
    ] = 120.0
    reload: Annotated[
        Literal["on-request", "off"],
        Meta(description="whether edits of this file are taken over while it serves"),
    ] = "on-request"
    auth: Annotated[
        AuthEntry | None, Meta(description="who may call outside FC; null for everyone")
    ] = None
    observers: Annotated[
        tuple[str | ObserverEntry, ...],
        Meta(description="plugins that see the calls of all functions, as for metrics"),
    ] = ()
    trust_callers: Annotated[
        bool,
        Meta(
            description="whether callers outside FC may do what the platform does: run lifecycle "
            "hooks, send credentials, the client's address and scheme"
        ),
    ] = False

    @property
    def supervised(self) -> bool:
        """Whether a supervisor watches the processes that serve."""
        return self.supervise or self.processes > 1 or self.memory_watermark is not None


class MiddlewareEntry(_Entry, frozen=True):
    """A plugin that wraps a function's hooks, and its settings."""

    name: str
    settings: dict[str, Any] = {}


class WorkersEntry(_Entry, frozen=True, kw_only=True):
    """The keys of a function that need ``isolation: process``."""

    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="worker processes at most, started as calls need them; null for one"),
    ] = None
    memory_limit: Annotated[
        Annotated[int, Meta(ge=64 * 1024 * 1024, extra=_BYTES)] | None,
        Meta(description="bytes of address space of each worker"),
    ] = None
    max_calls: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="invocations after which a worker is replaced"),
    ] = None
    python: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the workers' own interpreter, or folder of a virtual environment"),
    ] = None


class DefaultsEntry(WorkersEntry, frozen=True):
    """The values of a function that its own entry does not give."""

    middleware: Annotated[
        tuple[str | MiddlewareEntry, ...],
        Meta(description="plugins that wrap the hooks, outermost first"),
    ] = ()
    settings: Annotated[
        dict[str, Any], Meta(description="handed to the handler; merged key by key with defaults")
    ] = {}
    timeout: Annotated[
        Seconds | None, Meta(description="seconds an invocation may take; null for FC's own limit")
    ] = None
    concurrency: Annotated[
        Count | None, Meta(description="invocations at once of this function; more wait in line")
    ] = None
    queue: Annotated[
        Annotated[int, Meta(ge=0, le=1000)],
        Meta(description="how many may wait for one of concurrency; more answer 429"),
    ] = 8
    isolation: Annotated[
        Literal["thread", "process"],
        Meta(description="where the plugins run: in the runtime, or in processes of their own"),
    ] = "thread"
    scale: Annotated[
        ScaleEntry | None,
        Meta(description="replicas and resources on a cluster: of Ray, Kubernetes or Knative"),
    ] = None


class TimerEntry(_Entry, frozen=True, kw_only=True):
    """A time trigger, as FC's ``triggerConfig`` has it."""

    MAIN_KEY: ClassVar[str] = "cron_expression"

    cron_expression: Annotated[
        str,
        Meta(
            description="'seconds minutes hours day month weekday' in UTC, after "
            "'CRON_TZ=Asia/Shanghai ' in that time zone, or '@every 5m'"
        ),
    ]
    payload: Annotated[str, Meta(description="text that the event has as its payload")] = ""
    enable: Annotated[bool, Meta(description="whether it fires")] = True


class OSSEntry(_Entry, frozen=True, kw_only=True):
    """A trigger for changes of the objects in a bucket of OSS."""

    bucket: Annotated[str, Meta(description="the bucket's name")]
    events: Annotated[
        tuple[str, ...],
        Meta(description="which changes: oss:ObjectCreated:*, oss:ObjectRemoved:DeleteObject, ..."),
    ]
    prefix: Annotated[str, Meta(description="what the object's key must begin with")] = ""
    suffix: Annotated[str, Meta(description="what the object's key must end with")] = ""
    invocation_role: Annotated[
        str | None, Meta(description="the role that lets OSS call the function: acs:ram::...")
    ] = None


class TriggerEntry(_Entry, frozen=True, kw_only=True):
    """What calls a function by itself; one of the keys."""

    timer: TimerEntry | None = None
    oss: OSSEntry | None = None


class FunctionEntry(DefaultsEntry, frozen=True, kw_only=True):
    """One function, under the name that FC calls it by."""

    MAIN_KEY: ClassVar[str] = "handler"  # the likely meaning of text in place of the mapping

    handler: Annotated[
        str | None,
        Meta(description="an entry point of group fcplug.handlers, dist:name, or module:attribute"),
    ] = None
    wsgi: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the WSGI application of web requests; of group fcplug.wsgi, or code"),
    ] = None
    asgi: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the ASGI application of web requests; of group fcplug.asgi, or code"),
    ] = None
    expose_credentials: Annotated[
        bool, Meta(description="whether the application sees the headers with FC's credentials")
    ] = False
    phases: Annotated[
        Literal["hooks", "app"],
        Meta(
            description="who answers events and lifecycle calls: the handler and the hooks, or the "
            "application by routes of its own, as a custom runtime does"
        ),
    ] = "hooks"
    initializer: Annotated[
        str | None, Meta(description="code for the hook initialize: module:function of a context")
    ] = None
    pre_freeze: Annotated[
        str | None, Meta(description="code for the hook pre_freeze: module:function of a context")
    ] = None
    pre_stop: Annotated[
        str | None, Meta(description="code for the hook pre_stop: module:function of a context")
    ] = None
    shadow: Annotated[
        str | ShadowEntry | None,
        Meta(description="the function that gets copies of the events, to compare its answers"),
    ] = None
    triggers: Annotated[
        dict[str, TriggerEntry],
        Meta(description="what calls it on FC and in fcplug dev, by name; nothing else uses them"),
    ] = {}


class FunctionSpec(FunctionEntry, frozen=True, kw_only=True):
    """One function with the defaults merged in; middleware is spelled out."""

    name: str
    middleware: tuple[MiddlewareEntry, ...] = ()
    shadow: ShadowEntry | None = None

    @property
    def application(self) -> str | None:
        """The WSGI or ASGI application that answers web requests."""
        return self.wsgi or self.asgi

    def without_limits(self) -> "FunctionSpec":
        """Return a copy without what a reload changes in place, triggers and scale."""
        free = {"timeout": None, "concurrency": None, "queue": 0, "shadow": None}
        return replace(self, **free, triggers={}, scale=None)


class File(_Entry, frozen=True):
    """``functions.yaml`` as a whole."""

    version: Literal[1]
    functions: dict[FunctionName, FunctionEntry]
    runtime: RuntimeEntry = RuntimeEntry()
    defaults: DefaultsEntry = DefaultsEntry()
    routes: list[RouteEntry] = []
    default: Annotated[
        str | None, Meta(description="the function that answers when nothing else matched")
    ] = None
