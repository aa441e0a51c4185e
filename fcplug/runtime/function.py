"""One live function: which invocations are admitted, how long each may take, and its end."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
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
from fcplug.protocol import Phase
from fcplug.runtime.backend import Backend
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("fcplug")

_QUIET = 3.0  # seconds to wait for another function's stop before the log says so
_MOST_ABANDONED = 8  # invocations of one function that may run past their deadline

Load = Callable[[], Backend]


class _Limits(NamedTuple):
    """The limits that an invocation was admitted under; an edit does not change them for it."""

    bulkhead: Bulkhead | None
    deadlines: DeadlineExecutor | None

    def admit(self, deadline: float | None) -> None:
        """Admit one invocation; it may wait in line for its permit, until the deadline.

        Raises:
            ConcurrencyExceeded: the line is full, or too many abandoned invocations still run.
        """
        if self.deadlines:
            self.deadlines.admit()  # no waiting in line behind what hangs
        if self.bulkhead:
            self.bulkhead.enter(deadline)

    def leave(self) -> None:
        """Return the permit."""
        if self.bulkhead:
            self.bulkhead.leave()


class _SteppedAnswer:
    """The steps of one web answer that has a deadline; all of them run on one thread."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self._answer = answer
        self._response: Response | None = None

    def begin(self) -> Response:
        """Call the application."""
        self._response = self._answer()
        return self._response

    def next_chunk(self) -> bytes | None:
        """Return the next bytes of the body, None at its end."""
        return next(self._response.body, None) if self._response else None

    def close(self) -> None:
        """Close the answer, if the application gave one."""
        if self._response:
            self._response.close()


class Function:
    """A function of the configuration, from its plugins' import to its retirement.

    ``load`` imports the plugins, here or in workers; it is tried again until it succeeds.
    ``threads`` run invocations that have a deadline; workers have threads of their own.

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
        self._loaded: Once[Backend] = Once()
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
        """Whether the plugins have been imported."""
        return self._loaded.done

    @property
    def initialized(self) -> bool:
        """Whether the initialize hooks have run, and no stop since."""
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

    def load(self) -> Backend:
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
            FunctionTimeoutError: the time is up; the invocation may go on, and its result is lost.
        """
        own, limits = self._own(context), self._limits
        limits.admit(own.deadline)
        if limits.deadlines and own.deadline is not None:
            return limits.deadlines.run(
                partial(self._invoke, event, own),
                own.deadline,
                cancel=own.cancel,
                on_end=limits.leave,
            )
        try:
            return self._invoke(event, own)
        finally:
            limits.leave()

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request; until the response is closed it counts as running.

        A function without an application gets it as FC's HTTP event.

        Raises:
            InvalidResponse: what it answers cannot be sent.
            PluginError, ConcurrencyExceeded, FunctionTimeoutError: as ``invoke``.
        """
        own, limits = self._own(context), self._limits
        limits.admit(own.deadline)
        if limits.deadlines and own.deadline is not None:
            answer = _SteppedAnswer(partial(self._web, environ, own))
            steps = SteppedTask(
                limits.deadlines,
                own.deadline,
                cancel=own.cancel,
                at_end=answer.close,
                on_end=limits.leave,
            )
            return _in_steps(answer, steps)
        try:
            response = self._web(environ, own)
        except BaseException:
            limits.leave()
            raise
        response.on_close.append(limits.leave)
        return response

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

    def _invoke(self, event: bytes, own: Context) -> bytes:
        handler = self.spec.handler
        if handler is None:
            raise EventRequestError(self.spec.name)
        backend = self._loaded.value
        if backend is None or not self._initialized.done:
            backend = self._bring_up(own)
        return encode(backend.invoke(event, own), handler)

    def _web(self, environ: "WSGIEnvironment", own: Context) -> Response:
        if self.spec.application is None:
            from fcplug.web import http_event  # noqa: PLC0415 - most functions never need it

            event = http_event.event_of(environ, own)
            return http_event.response_of(self._invoke(event, own))
        backend = self._loaded.value
        if backend is None or not self._initialized.done:
            backend = self._bring_up(own)
        return backend.web(environ, own)

    def _bring_up(self, own: Context) -> Backend:
        """Load and initialize before the first invocation: FC has no initializer configured."""
        backend = self.load()
        if self.initialized:
            return backend
        if backend.implements("initialize"):
            with logs.PhaseLines(Phase.INITIALIZE, own):
                self._initialize(own)
        else:
            self._initialize(own)
        return backend

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
        with suppress(BaseException), logs.PhaseLines(Phase.PRE_STOP, context):
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


def _in_steps(answer: _SteppedAnswer, steps: SteppedTask) -> Response:
    """Return a response whose every chunk is a step; closing it ends the steps."""
    try:
        response = steps.do(answer.begin)
    except BaseException:
        steps.end()
        raise
    chunks = iter(partial(steps.do, answer.next_chunk), None)
    return Response(response.status, response.headers, chunks, [steps.end])
