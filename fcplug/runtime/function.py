"""One live function: who may come in, how long each may stay, and when it is over."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from fcplug import logs
from fcplug.concurrency.bulkhead import Bulkhead
from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.once import Once
from fcplug.concurrency.stepper import SteppedTask
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import EventRequestError
from fcplug.plugins.loader import Plugins
from fcplug.protocol import Phase
from fcplug.web.response import Body, Response, close_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from fcplug.workers import Workers

log = logging.getLogger("fcplug")

_QUIET = 3.0  # seconds to wait for another function's stop before the log says so
_MOST_ABANDONED = 8  # invocations of one function that may run past their deadline


Load = Callable[[], "Plugins | Workers"]


class _Limits(NamedTuple):
    """What holds for one invocation from its begin to its end, whatever an edit changes."""

    bulkhead: Bulkhead | None
    deadlines: DeadlineExecutor | None

    def leave(self) -> None:
        """Give the place back."""
        if self.bulkhead:
            self.bulkhead.leave()


class Function:
    """A function of the configuration, from its plugins' import to its retirement.

    ``load`` imports the plugins, here or in workers; it is tried again until it succeeds.
    ``threads`` are those of invocations with a deadline; workers keep theirs themselves.

    Attributes:
        spec: its entry; ``update`` replaces it by one with other limits.
        stopped: set once it was replaced and stopped, and so were those that it replaced.
        after: the ``stopped`` of a function that must be stopped before this one is initialized,
            since both may run hooks of the same module.
    """

    def __init__(self, spec: FunctionSpec, load: Load, threads: ThreadPool) -> None:
        self.spec = spec
        self.stopped = threading.Event()
        self.after: threading.Event | None = None
        self._load = load
        self._threads = threads
        self._loaded: Once[Plugins | Workers] = Once()
        self._initialized: Once[bytes] = Once()
        self._bulkhead: Bulkhead | None = None
        self._deadlines: DeadlineExecutor | None = None
        self._limits = self._limits_of(spec)
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._inside = 0
        self._retired = False

    @property
    def loaded(self) -> bool:
        """Tell whether the plugins have been imported."""
        return self._loaded.done

    @property
    def initialized(self) -> bool:
        """Tell whether the initialize hooks have run, and no stop since."""
        return self._initialized.done

    def update(self, spec: FunctionSpec, load: Load) -> None:
        """Take over an entry that differs in its limits only; they hold for new invocations.

        ``load`` is for a function that could not be loaded so far.
        """
        self._load = load
        self._limits = self._limits_of(spec)
        self.spec = spec

    def must_follow(self, other: "Function") -> bool:
        """Return whether this function may be initialized only after another was stopped.

        So it is where a hook would run again on a module that serves now. Loads the plugins.

        Raises:
            PluginError: a plugin cannot be made to serve.
        """
        plugins, others = self.load(), other.load()
        same_hooks = plugins.shared_hooks == others.shared_hooks
        changed = not same_hooks or self.spec.settings != other.spec.settings
        return changed and plugins.shared_hooks_in_use

    def load(self) -> "Plugins | Workers":
        """Import the plugins, once.

        Raises:
            PluginError: a plugin cannot be made to serve; the next call tries again.
        """
        return self._loaded.run(self._load)

    def initialize(self, context: Context) -> bytes:
        """Run the initialize hooks, once, and return what the handler's own returned, encoded.

        Whatever a hook raises is passed on, and the next call tries again.
        """
        return self._initialize(self._own(context))

    def invoke(self, event: bytes, context: Context) -> bytes:
        """Answer one event, encoded; a function that was not initialized yet is so first.

        Raises:
            PluginError: a plugin cannot be made to serve.
            ConcurrencyExceeded: as many invocations as the function may have run and wait.
            FunctionTimeoutError: the time is up; whatever still runs, runs for nobody.
        """
        own, limits = self._own(context), self._limits
        deadline = own.deadline
        if limits.deadlines:
            limits.deadlines.admit()  # no waiting in line behind what hangs
        if limits.bulkhead:
            limits.bulkhead.enter(deadline)
        if limits.deadlines is None or deadline is None:
            try:
                return self._invoke(event, own, deadline)
            finally:
                limits.leave()
        return limits.deadlines.run(
            lambda: self._invoke(event, own, deadline),
            deadline,
            cancel=own.cancel,
            on_end=limits.leave,
        )

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request; until its body is closed it counts as running.

        A function without an application gets it as FC's HTTP event.

        Raises:
            InvalidResponse: what it answers cannot be sent.
            PluginError, ConcurrencyExceeded, FunctionTimeoutError: as ``invoke``.
        """
        own, limits = self._own(context), self._limits
        deadline = own.deadline
        if limits.deadlines:
            limits.deadlines.admit()
        if limits.bulkhead:
            limits.bulkhead.enter(deadline)
        if limits.deadlines and deadline is not None:
            return self._web_in_time(environ, own, deadline, limits)
        with ExitStack() as held:
            held.callback(limits.leave)
            response = self._web(environ, own)
            held.callback(close_body, response.body)
            return response._replace(body=Body(response.body, held.pop_all().close))

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks of a function that is initialized."""
        if self.initialized:
            self.load().pre_freeze(self._own(context))

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks of a function that is initialized; it then no longer is."""
        if self._initialized.reset():
            self.load().pre_stop(self._own(context))

    def stop(self, environ: Mapping[str, str]) -> None:
        """Run the pre_stop hooks between the log lines of their phase, and end the workers.

        What the hooks raise is logged, not raised.
        """
        if self.initialized:
            self._stop(Context.from_headers({}, environ))
        if self._loaded.done:
            self.load().close()

    def enter(self) -> bool:
        """Hold the function for one invocation; False once it is retired."""
        with self._lock:
            if not self._retired:
                self._inside += 1
            return not self._retired

    def leave(self) -> None:
        """Give the function back."""
        with self._lock:
            self._inside -= 1
            if self._retired and not self._inside:
                self._empty.notify_all()

    def retire(self, patience: float) -> None:
        """Let no invocation in any more; wait for those inside, ``patience`` seconds at most."""
        with self._empty:
            self._retired = True
            self._empty.wait_for(lambda: not self._inside, patience)

    def _own(self, context: Context) -> Context:
        return context.for_function(self.spec.settings, self.spec.timeout, self.spec.name)

    def _invoke(self, event: bytes, own: Context, deadline: float | None) -> bytes:
        if self.spec.handler is None:
            raise EventRequestError(self.spec.name)
        return encode(self._ready(own).invoke(event, own, deadline), self.spec.handler)

    def _web(self, environ: "WSGIEnvironment", own: Context) -> Response:
        if self.spec.application is None:
            from fcplug.web import http_event  # noqa: PLC0415 - most functions never need it

            event = http_event.event_of(environ, own)
            return http_event.response_of(self._invoke(event, own, own.deadline))
        return self._ready(own).web(environ, own, own.deadline)

    def _web_in_time(
        self, environ: "WSGIEnvironment", own: Context, deadline: float, limits: _Limits
    ) -> Response:
        """Answer on a thread of the deadline's, from the application's call to its body's end."""
        assert limits.deadlines is not None  # noqa: S101 - who calls has looked
        opened = ExitStack()

        def begin() -> Response:
            response = self._web(environ, own)
            opened.callback(close_body, response.body)
            return response

        steps = SteppedTask(
            limits.deadlines,
            deadline,
            cancel=own.cancel,
            at_end=opened.close,
            on_end=limits.leave,
        )
        with ExitStack() as held:
            held.callback(steps.end)
            response = steps.do(begin)
            chunks = iter(lambda: steps.do(lambda: next(response.body, None)), None)
            return response._replace(body=Body(chunks, held.pop_all().close))

    def _ready(self, own: Context) -> "Plugins | Workers":
        plugins = self.load()
        if not self.initialized:
            self._initialize_first(plugins, own)
        return plugins

    def _initialize_first(self, plugins: "Plugins | Workers", own: Context) -> None:
        """Initialize before the first invocation: FC was not told to ask for it."""
        if not plugins.implements("initialize"):
            self._initialize(own)
            return
        with logs.phase(Phase.INITIALIZE, own):
            self._initialize(own)

    def _initialize(self, own: Context) -> bytes:
        return self._initialized.run(lambda: self._run_initialize(own))

    def _run_initialize(self, own: Context) -> bytes:
        if self.after and not self.after.wait(_QUIET):
            log.warning("function '%s' waits until what it replaces was stopped", self.spec.name)
            self.after.wait()
        return encode(self.load().initialize(own))

    def _stop(self, context: Context) -> None:
        if not self.load().implements("pre_stop"):
            self.pre_stop(context)
            return
        with suppress(BaseException), logs.phase(Phase.PRE_STOP, context):
            self.pre_stop(context)  # the phase logs what goes wrong

    def _limits_of(self, spec: FunctionSpec) -> _Limits:
        """Return the limits of an entry; those inside or abandoned before go on counting."""
        if spec.concurrency and self._bulkhead:
            self._bulkhead.resize(spec.concurrency, spec.queue)
        elif spec.concurrency:
            self._bulkhead = Bulkhead(spec.name, spec.concurrency, spec.queue)
        most = min(_MOST_ABANDONED, spec.concurrency or _MOST_ABANDONED)
        in_time = spec.timeout is not None and spec.isolation == "thread"
        if self._deadlines:
            self._deadlines.max_abandoned = most
        elif in_time:
            self._deadlines = DeadlineExecutor(spec.name, self._threads, most)
        return _Limits(
            self._bulkhead if spec.concurrency else None, self._deadlines if in_time else None
        )
