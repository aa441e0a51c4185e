"""The hooks of an observer, which sees the calls of all functions from outside.

Middleware runs where the plugins run, and only for events that reach them. An observer runs in the
process that answers. It also sees web requests, calls that wait or are refused, and functions in
worker processes. It changes no answer. Its hooks are plain functions that must be quick, since
calls wait for them, on many threads at once. The log reports once what a hook raises.
"""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import pluggy

from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError
from fcplug.hookspecs import PROJECT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Kind = Literal["event", "web", "copy"]

observerspec = pluggy.HookspecMarker(PROJECT)


class Call:
    """One call of a function, from its arrival until its answer is complete.

    Times are moments of ``time.monotonic()``, in seconds.

    Attributes:
        function: its name in functions.yaml.
        kind: ``event``, ``web`` for a web request, ``copy`` for an event's copy to a shadow.
        context: of the call, as the function sees it.
        environ: of a web request, as the server gives it, with credentials; None for an event.
        received: when it arrived at the function.
        started: when it was admitted; None while it waits, and for one that never ran.
        ended: when its answer was complete; None before.
        error: what it failed with.
        status: the status of a web answer, once it is known.
    """

    __slots__ = (
        "_lock",
        "context",
        "ended",
        "environ",
        "error",
        "function",
        "kind",
        "received",
        "started",
        "status",
    )

    def __init__(
        self,
        function: str,
        kind: Kind,
        context: Context,
        environ: "WSGIEnvironment | None" = None,
    ) -> None:
        self.function = function
        self.kind = kind
        self.context = context
        self.environ = environ
        self.received = time.monotonic()
        self.started: float | None = None
        self.ended: float | None = None
        self.error: BaseException | None = None
        self.status: int | None = None
        self._lock = threading.Lock()

    @property
    def refused(self) -> bool:
        """Whether as many calls ran and waited as may (429)."""
        return isinstance(self.error, ConcurrencyExceeded)

    @property
    def timed_out(self) -> bool:
        """Whether its time was up before it had an answer."""
        return isinstance(self.error, FunctionTimeoutError)

    def start(self) -> bool:
        """Note that it was admitted; return False if its answer is already complete."""
        with self._lock:
            if self.ended is None:
                self.started = time.monotonic()
            return self.ended is None

    def end(self) -> None:
        """Note that its answer is complete."""
        with self._lock:
            self.ended = time.monotonic()


@observerspec
def opened(processes: int) -> None:
    """Prepare to observe.

    Called once, before functions are loaded, and before the process forks those that serve;
    ``processes`` is how many serve. Start no thread and leave no connection open here: they do not
    survive the fork.
    """


@observerspec
def call_received(call: Call) -> None:
    """Note that a call has arrived; it may have to wait, or be refused."""


@observerspec
def call_started(call: Call) -> None:
    """Note that a call was admitted and begins to run, maybe with imports and initialize hooks.

    Called on the thread of the function and among its context variables: what it sets there, as
    the current span of a trace, the function finds, and no other call. A function in a worker
    process does not.
    """


@observerspec
def call_ended(call: Call) -> None:
    """Note how a call has ended; of an event this happens before its answer leaves.

    Called once for each call that was received. An invocation whose time is up ends here, though
    its handler may go on.
    """


@observerspec
def function_initialized(function: str, seconds: float, error: BaseException | None) -> None:
    """Note that the initialize hooks of a function have run, and what they raised.

    Called once for each function in a process, and again after an error. The further workers of a
    function with ``isolation: process`` are not reported.
    """


@observerspec
def pages() -> "Mapping[str, WSGIApplication]":  # type: ignore[empty-body]
    """Return the paths that the observer itself answers, with a WSGI application for each.

    Called once, after ``opened``. Such a path is no longer a function's. Callers need the same
    authentication as for functions.
    """


@observerspec
def closed() -> None:
    """Release what ``opened`` acquired.

    Called in the process that called ``opened``, after all functions were stopped.
    """


NAMES = tuple(name for name, value in list(globals().items()) if hasattr(value, f"{PROJECT}_spec"))
"""The names of the hooks, in the order in which they are called."""
