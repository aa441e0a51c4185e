"""One function: loaded and initialized when it is first needed, and stopped at its end."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fcplug import logs, result
from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.once import Once
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import EventRequestError
from fcplug.protocol import Phase
from fcplug.runtime.admission import Admission, AdmissionControl
from fcplug.runtime.backend import Backend
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from fcplug.runtime.observation import Observers

log = logging.getLogger("fcplug")

_QUIET = 3.0  # seconds to wait for another function's stop before the log says so

Load = Callable[[], Backend]
_Value = TypeVar("_Value")


class Function:
    """A function of the configuration, from its plugins' import to its retirement.

    ``load`` imports the plugins, here or in workers; it is tried again until it succeeds.
    ``threads`` run invocations that have a deadline; workers have threads of their own.
    ``observers`` see the calls.

    Attributes:
        spec: its entry; ``update`` replaces it by one with other limits.
        stopped: set once it was replaced and stopped, and so were those that it replaced.
        after: the ``stopped`` of a function that must be stopped before this one is initialized,
            since both may run hooks of the same module.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        load: Load,
        threads: ThreadPool,
        observers: "Observers | None" = None,
    ) -> None:
        self.spec = spec
        self.stopped = threading.Event()
        self.after: threading.Event | None = None
        self._load = load
        self._observers = observers
        self._loaded: Once[Backend] = Once()
        self._initialized: Once[bytes] = Once()
        self._admission = AdmissionControl(spec, threads)
        self._empty = threading.Condition()
        self._inside: list[None] = []  # one for each invocation
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
        """Use an entry that differs in its limits only; they apply to new invocations.

        ``load`` is for a function that could not be loaded so far.
        """
        self._load = load
        self._admission.apply(spec)
        self.spec = spec

    def must_follow(self, other: "Function") -> bool:
        """Return whether this function may be initialized only after another was stopped.

        That is so where a hook would run again on a module that serves now. Loads the plugins.

        Raises:
            PluginError: a plugin cannot be loaded.
        """
        plugins, others = self.load(), other.load()
        same_hooks = plugins.shared_hooks == others.shared_hooks
        changed = not same_hooks or self.spec.settings != other.spec.settings
        return changed and plugins.shared_hooks_in_use

    def load(self) -> Backend:
        """Import the plugins, once.

        Raises:
            PluginError: a plugin cannot be loaded; the next call tries again.
        """
        return self._loaded.run(self._load)

    def initialize(self, context: Context) -> bytes:
        """Run the initialize hooks, once, and return what the handler's own returned, encoded.

        Errors of the hooks are passed on, and the next call tries again.
        """
        return self._initialize(self._own(context))

    def invoke(self, event: bytes, context: Context) -> bytes:
        """Answer one event, encoded; load and initialize first where that was not done yet.

        Raises:
            PluginError: a plugin cannot be loaded.
            ConcurrencyExceeded, FunctionTimeoutError: as ``Admission``.
        """
        own, admission = self._own(context), self._admission.current
        if self._observers is not None:
            call = self._observers.call(self.spec.name, "event", own)
            return self._observers.invoke(call, admission, partial(self._invoke, event, own))
        if admission is None:
            return self._invoke(event, own)
        return admission.invoke(partial(self._invoke, event, own), own)

    def invoke_copy(self, event: bytes, context: Context, deadlines: DeadlineExecutor) -> bytes:
        """Answer a copy of an event as ``invoke`` does; ``deadlines`` count in place of its own.

        The context has a deadline.
        """
        own, admission = self._own(context), self._admission.current
        limits = Admission(
            admission.bulkhead if admission else None,
            deadlines if self.spec.isolation == "thread" else None,
        )
        if self._observers is not None:
            call = self._observers.call(self.spec.name, "copy", own)
            return self._observers.invoke(call, limits, partial(self._invoke, event, own))
        return limits.invoke(partial(self._invoke, event, own), own)

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request; until the response is closed it counts as running.

        A function without an application gets it as FC's HTTP event.

        Raises:
            InvalidResponse: what it answers cannot be sent.
            PluginError, ConcurrencyExceeded, FunctionTimeoutError: as ``invoke``.
        """
        own, admission = self._own(context), self._admission.current
        if self._observers is not None:
            call = self._observers.call(self.spec.name, "web", own, environ)
            return self._observers.web(call, admission, partial(self._web, environ, own))
        if admission is None:
            return self._web(environ, own)
        return admission.web(partial(self._web, environ, own), own)

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks of a function that is initialized."""
        if self.initialized:
            self.load().pre_freeze(self._own(context))

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks of an initialized function, which then is not initialized."""
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
        """Count one more invocation inside; return False once the function is retired."""
        self._inside.append(None)  # atomic: each call would pay for a lock
        if self._retired:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Count one invocation less inside."""
        self._inside.pop()
        if self._retired:
            with self._empty:
                self._empty.notify_all()

    def retire(self, patience: float) -> None:
        """Admit no more invocations; wait at most ``patience`` seconds for those inside."""
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
            backend = self._load_and_initialize(own)
        return encode(backend.invoke(event, own), handler)

    def _web(self, environ: "WSGIEnvironment", own: Context) -> Response:
        backend = self._loaded.value
        if backend is None or not self._initialized.done:
            backend = self._load_and_initialize(own)
        if self.spec.application is not None:
            return backend.web(environ, own)
        # most functions never need it
        from fcplug.web.http_event import event_of, response_of  # noqa: PLC0415

        return response_of(backend.invoke(event_of(environ, own), own), self.spec.handler or "")

    def _load_and_initialize(self, own: Context) -> Backend:
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
        begun, error = time.monotonic(), None
        try:
            return encode(self.load().initialize(own))
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self._observers is not None:
                self._observers.initialized(self.spec.name, time.monotonic() - begun, error)

    def _stop(self, context: Context) -> None:
        if not self.load().implements("pre_stop"):
            self.pre_stop(context)
            return
        with suppress(BaseException), logs.PhaseLines(Phase.PRE_STOP, context):
            self.pre_stop(context)  # the phase logs what goes wrong


def each(functions: Iterable[Function], action: Callable[[Function], _Value]) -> list[_Value]:
    """Call the action for every function, even if some raise; then raise the first error."""
    values: list[_Value] = []
    errors: list[BaseException] = []
    for function in functions:
        try:
            values.append(action(function))
        except BaseException as error:
            errors.append(error)
    for further in errors[1:]:
        log.error("%s", result.format_error(further))
    if errors:
        raise errors[0]
    return values
