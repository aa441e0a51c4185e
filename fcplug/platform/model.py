"""The platform's values: functions, calls, what came of them, and what the console shows."""

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

SYNC_PAYLOAD = 32 * 1024 * 1024  # bytes of a synchronous event at most (FC's limits)
ASYNC_PAYLOAD = 128 * 1024  # bytes of an asynchronous event at most
LOG_TAIL = 4096  # bytes of a call's log that X-Fc-Log-Type: Tail returns


class Destinations(msgspec.Struct, frozen=True):
    """The functions that get the outcome of an asynchronous call, by name; None if nobody does."""

    on_success: str | None = None
    on_failure: str | None = None


class TimerTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """A time trigger of a function; ``expression`` is one that FC takes."""

    function: str
    name: str
    expression: str
    payload: str = ""


class BucketTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger of a function for changes of a bucket of OSS.

    Attributes:
        events: such as ``oss:ObjectCreated:*``.
        prefix, suffix: what the key of the object must begin and end with.
    """

    function: str
    name: str
    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """FC's health check by HTTP: GET of a path; a status of 200 to 399 is healthy.

    Times are seconds; the defaults are FC's.
    """

    path: str
    initial_delay: float = 0.0
    period: float = 3.0
    timeout: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1


class FunctionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One function as FC's API configures it. Times are seconds, sizes MB unless named otherwise.

    Attributes:
        command: the start command, run in ``folder``; FC's default is ``bootstrap``.
        credentials: access key id, secret and token of the function's role, if it has one.
        initializer, pre_freeze, pre_stop: whether FC is asked to call this hook.
        freeze: stop the processes between calls (SIGSTOP), as FC freezes an instance.
        headers: which set of headers calls carry.
        health_check: decides whether a new instance may serve, and whether it may go on.
        idle_timeout: seconds without a call after which an instance ends.
        retries: how often a failed asynchronous call is tried again.
        triggers: what calls it by itself.
    """

    name: str
    folder: Path
    command: tuple[str, ...] = ("./bootstrap",)
    service: str = "default"
    handler: str = "index.handler"
    runtime: str = "custom.debian12"
    region: str = "cn-hangzhou"
    account_id: str = "1234567890123456"
    timeout: float = 60.0
    memory: int = 512
    instance_concurrency: int = 1
    max_instances: int = 8
    environment: Mapping[str, str] = {}
    credentials: tuple[str, str, str] | None = None
    initializer: bool = False
    initialization_timeout: float = 3.0
    pre_freeze: bool = False
    pre_stop: bool = False
    pre_stop_timeout: float = 3.0
    freeze: bool = False
    startup_timeout: float = 120.0
    health_check: HealthCheck | None = None
    idle_timeout: float = 60.0
    headers: Literal["2.0", "3.0"] = "3.0"
    retries: int = 3
    destinations: Destinations = Destinations()
    triggers: tuple[TimerTrigger | BucketTrigger, ...] = ()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a function. ``target`` and ``method`` are those of a web request, else empty.

    Attributes:
        payload: the event, or the body of a web request.
        headers: of a web request, in order, names as they came.
        retry: which try this is of an asynchronous call; 0 is the first.
        kind: how the call came: by the API, as a web request, from the queue, or by a trigger.
    """

    function: str
    request_id: str
    payload: bytes = b""
    qualifier: str = "LATEST"
    method: str = ""
    target: str = ""
    headers: Sequence[tuple[str, str]] = ()
    client_ip: str = ""
    retry: int = 0
    kind: Literal["sync", "http", "async", "timer", "oss"] = "sync"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call, as FC reports it to the caller of its API.

    Attributes:
        status: FC's HTTP status; 200 also if the function failed (``error_type`` says so). Of a web
            request the function's own.
        error_type: ``UnhandledInvocationError``, ``InitializationError`` and so on; None if the
            function succeeded.
        code, message: FC's own error, such as ``CAExited``; then there is no body. Else empty.
        log: what the instance wrote during the call: the last MB of it.
        duration_ms, memory_mb: as FC measures and bills them.
        started: seconds since the epoch.
        cut: ``body`` is only the beginning of what a web function streamed.
    """

    status: int = 200
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    error_type: str | None = None
    code: str = ""
    message: str = ""
    log: bytes = b""
    duration_ms: float = 0.0
    memory_mb: float = 0.0
    instance_id: str = ""
    cold: bool = False
    started: float = 0.0
    cut: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether FC counts the call a success: also a web answer of 404 or 500 is one to FC."""
        return self.error_type is None and not self.code


class InstanceState(enum.Enum):
    """Where an instance is in its life."""

    STARTING = "starting"
    INITIALIZING = "initializing"
    READY = "ready"
    BUSY = "busy"
    FROZEN = "frozen"
    STOPPING = "stopping"
    ENDED = "ended"


class InstanceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as the console shows it; ``steps`` are the moments of its life, oldest first."""

    id: str
    function: str
    pid: int
    port: int
    state: InstanceState
    calls: int
    running: int
    memory_mb: float
    steps: Sequence[tuple[float, str]]
    error: str = ""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """A call and what came of it, as the history keeps it; ``outcome`` is None while it runs.

    ``begun`` and ``ended`` are seconds since the epoch, with the time that it waited.
    """

    number: int
    call: Call
    outcome: Outcome | None = None
    begun: float = 0.0
    ended: float = 0.0


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line that an instance wrote, without its end.

    Attributes:
        request_ids: the calls that it belongs to: the one that it names, else all that run.
        at: seconds since the epoch.
        number: the order of the lines of all functions, from 1; 0 before the history has it.
    """

    function: str
    instance_id: str
    request_ids: Sequence[str]
    text: str
    at: float = 0.0
    number: int = 0


class Happening(msgspec.Struct, frozen=True):
    """Something that just happened, for those who follow the platform.

    ``value`` is an ``Invocation``, an ``InstanceInfo``, a ``LogLine`` or, for ``queue``, a
    ``TaskChange``, as ``kind`` says; None for ``functions``.
    """

    kind: Literal["invocation", "instance", "log", "queue", "functions"]
    value: object


class Followed(Protocol):
    """What a follower of the platform reads; it loses the oldest if it is read too slowly."""

    @property
    def lost(self) -> int:
        """How many happenings were lost."""

    def get(self, block: bool = True, timeout: float | None = None) -> Happening:
        """Return the next happening, as ``queue.Queue`` does."""


class Client(Protocol):
    """Who waits for the outcome of a call, and may take a web answer as the function makes it."""

    def gone(self) -> bool:
        """Return whether nobody waits any more; the call ends then."""

    def begin(self, head: Outcome, length: int | None) -> None:
        """Take status and headers of a web answer whose body follows; its length may be known."""

    def write(self, part: bytes, deadline: float) -> None:
        """Take a part of the body, until a moment on the monotonic clock."""

    def end(self) -> None:
        """Take the end of the body: it is complete."""


class Platform(Protocol):
    """The running platform, as its API, its triggers, its queue and the console use it."""

    @property
    def functions(self) -> Mapping[str, FunctionConfig]:
        """The functions by name."""

    def invoke(self, call: Call, client: Client | None = None) -> Outcome:
        """Run one call to its end: find or start an instance, initialize it, call it, record it.

        ``client``: who gets a streamed web answer as it comes, and ends the call by leaving.
        """

    def instances(self) -> Sequence[InstanceInfo]:
        """Return every instance that lives, and those that ended lately."""

    def invocations(self, function: str | None = None, limit: int = 100) -> Sequence[Invocation]:
        """Return the latest calls, newest first."""

    def log_lines(self) -> Sequence[LogLine]:
        """Return the latest lines that instances wrote, oldest first."""

    def subscribe(self) -> Followed:
        """Return a queue that gets what happens from now on. One that is full loses the oldest."""

    def unsubscribe(self, followed: object) -> None:
        """Send no more to a queue that ``subscribe`` returned."""

    def tell(self, happening: Happening) -> None:
        """Send something that happened beside the platform, as in its queue, to all who follow."""
