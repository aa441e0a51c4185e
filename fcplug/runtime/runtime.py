"""All functions of a configuration, and which one answers a call; knows nothing of HTTP."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from fcplug import logs, protocol, result
from fcplug.concurrency.event_loop import EventLoop
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.file import ConfigFile
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import UnknownFunction
from fcplug.plugins.loaded_code import LoadedCode
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime.function import Function, each
from fcplug.runtime.missed_routes import MissedRoutes
from fcplug.runtime.reloader import Reloader
from fcplug.runtime.snapshot import Shared, Snapshot, observers_of
from fcplug.web import exchange
from fcplug.web.environ import peek_body
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from fcplug.runtime.shadow import Shadows

log = logging.getLogger("fcplug")

# Python 3.11 runs a function for each look-up of an Enum's member
_INVOKE, _INITIALIZE, _WEB = Phase.INVOKE, Phase.INITIALIZE, Phase.WEB

_FREEZE_LIMIT = 30.0  # seconds that /pre-freeze waits for copies of events


class Runtime:
    """Serves the functions of a configuration, and of its later versions if it is given the file.

    No method raises an error of a plugin or of a request: the failure is the answer, and the other
    functions go on.

    Args:
        config: what to serve.
        environ: the process environment.
        file: where later versions of the configuration are read.
        on_exhausted: called when abandoned invocations have worn this process out.
        code_is_watched: whether another process reacts to edits of code.

    Attributes:
        observers: see the calls; None where none are configured.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        *,
        file: ConfigFile | None = None,
        on_exhausted: Callable[[], None] = lambda: None,
        code_is_watched: bool = False,
    ) -> None:
        self._environ = environ
        self._access_log = config.runtime.access_log
        threads = ThreadPool(on_exhausted)
        code = LoadedCode(environ, watched=code_is_watched)
        hooks = SharedHooks()
        observers = self.observers = observers_of(config)
        self._shared = Shared(EventLoop(), threads, environ, os.getcwd(), hooks, code, observers)
        self._reloader = Reloader(config, self._shared, file, environ)
        self._missed = MissedRoutes()
        self._made_shadows: Shadows | None = None
        self._shadows_lock = threading.Lock()

    @property
    def config(self) -> Config:
        """The configuration that answers now."""
        return self._snapshot.config

    @property
    def forwarding(self) -> bool:
        """Whether some function's application answers events and lifecycle calls by itself."""
        return self._reloader.snapshot.forwarding

    def event_of(self, environ: "WSGIEnvironment") -> bytes | None:
        """Return the event of a request if a route may ask for it; it can be read again."""
        return peek_body(environ) if self._snapshot.router.reads_content else None

    def forwards(self, context: Context, event: bytes | None = None) -> bool:
        """Return whether a call of any phase is for ``web``: its function has ``phases: app``."""
        return self._snapshot.forwards(context, event)

    def invoke(self, event: bytes, context: Context) -> Result:
        """Answer one event by the function that the context leads to."""
        reloader = self._reloader
        if time.monotonic() >= reloader.next_poll:
            reloader.poll()
        try:
            begun = logs.begin_phase(_INVOKE, context)
            try:
                function = self._enter(context, event)
                try:
                    if function.spec.shadow is None:
                        body = function.invoke(event, context)
                    else:
                        body = self._shadows.invoke(function, event, context)
                finally:
                    function.leave()
            except BaseException as error:
                logs.end_phase(begun, error)
                raise
            logs.end_phase(begun)
            return Result(body)
        except BaseException as error:
            return result.failure(error, context.credentials)

    def initialize(self, context: Context) -> Result:
        """Run the initializers of the functions that the context names; of all if it names none."""

        def work() -> bytes:
            snapshot = self._snapshot
            functions = map(snapshot.function, snapshot.candidates(context))
            entered = [function for function in functions if function and function.enter()]
            try:
                outcomes = each(entered, lambda f: f.initialize(context))
            finally:
                for function in entered:
                    function.leave()
            self._missed.note(Phase.INITIALIZE, snapshot.leads_to(context))
            return outcomes[0] if len(outcomes) == 1 else b""

        return _answer(Phase.INITIALIZE, context, work)

    def pre_freeze(self, context: Context) -> Result:
        """Run the pre_freeze hooks of every initialized function."""

        def work() -> bytes:
            if self._made_shadows:  # their copies end before the freeze, not after it
                self._made_shadows.settle(min(_FREEZE_LIMIT, context.remaining_time()))
            each(self._snapshot.initialized, lambda f: f.pre_freeze(context))
            self._missed.note(Phase.PRE_FREEZE, self._snapshot.leads_to(context))
            return b""

        return _answer(Phase.PRE_FREEZE, context, work)

    def pre_stop(self, context: Context) -> Result:
        """Run the pre_stop hooks of every initialized function."""

        def work() -> bytes:
            each(self._snapshot.initialized, lambda f: f.pre_stop(context))
            self._missed.note(Phase.PRE_STOP, self._snapshot.leads_to(context))
            return b""

        return _answer(Phase.PRE_STOP, context, work)

    def web(
        self, environ: "WSGIEnvironment", context: Context, phase: Phase = _WEB
    ) -> Response | Result:
        """Answer one web request: the response, or a failure before its first bytes were made.

        ``phase`` is the one that FC asked for, where an application answers all phases.
        The function stays entered until the response's body is closed. Steps of one response may
        come from several threads, one after the other; a body that fails raises BodyCut.
        """
        reloader = self._reloader
        if time.monotonic() >= reloader.next_poll:
            reloader.poll()

        def work() -> Response:
            event = self.event_of(environ) if phase is _INVOKE else None
            function = self._enter(context, event, environ if phase is _WEB else None)
            try:
                if phase is _INITIALIZE:
                    function.initialize(context)  # a lifespan's startup, within FC's own lines
                response = function.web(environ, context)
            except BaseException:
                function.leave()
                raise
            response.on_close.append(function.leave)
            return response

        return exchange.answer(environ, context, work, phase, access_log=self._access_log)

    def reload(self) -> None:
        """Have the configuration's file read at once, on another thread."""
        self._reloader.request_poll()

    def take_over(self, config: Config) -> None:
        """Answer by another version of the configuration, as after an edit of the file."""
        self._reloader.take_over(config)

    @property
    def loaded(self) -> list[str]:
        """The functions that are loaded."""
        return [function.spec.name for function in self._snapshot.functions if function.loaded]

    def load(self, names: Iterable[str]) -> Iterator[tuple[str, str, BaseException | None]]:
        """Load functions in turn; yield each name, its handler's package, its error.

        A function that an edit has removed or replaced meanwhile is left out.
        """
        for name in names:
            package: str = ""
            error: BaseException | None = None
            try:
                function = self._snapshot.function(name) if name in self.config.functions else None
                if function is None:
                    continue
                package = function.load().package
            except BaseException as failure:
                error = failure
            yield name, package, error

    def wanted(self) -> list[str]:
        """Return the functions to load at the start.

        On FC those that calls of this instance's function can reach, elsewhere all.
        """
        if not self._environ.get(protocol.INSTANCE_VARIABLE):
            return list(self.config.functions)
        try:
            return self._snapshot.candidates(Context.from_headers({}, self._environ))
        except UnknownFunction as error:
            log.error("%s", error)
            return []

    def stop(self, limit: float) -> bool:
        """Run the pre_stop hooks that no ``/pre-stop`` has run before, and end all workers.

        The functions stop at the same time; return False if some took more than ``limit`` seconds.
        Functions that an edit has replaced or removed are waited for, too.
        """
        until = time.monotonic() + limit
        if self._made_shadows:
            self._made_shadows.close(limit / 2)
        stopping = self._reloader.end()
        for function in self._snapshot.functions:
            thread = threading.Thread(target=function.stop, args=(self._environ,), daemon=True)
            stopping[thread] = function.spec.name
            thread.start()
        for thread in stopping:
            thread.join(max(0.0, until - time.monotonic()))
        late = [name for thread, name in stopping.items() if thread.is_alive()]
        if late:
            log.error("not stopped within %g s, abandoned: %s", limit, ", ".join(late))
        return not late

    def close(self, limit: float) -> bool:
        """End the threads of a runtime that was stopped; False if some run after ``limit`` seconds.

        For processes that live on; nothing can be called afterwards.
        """
        if self.observers is not None:
            self.observers.close()
        self._shared.threads.close()
        return self._shared.event_loop.close(limit)

    @property
    def _snapshot(self) -> Snapshot:
        return self._reloader.snapshot

    @property
    def _shadows(self) -> "Shadows":
        """What copies events; made when the first is to be copied."""
        from fcplug.runtime.shadow import Shadows  # noqa: PLC0415 - few functions have one

        with self._shadows_lock:
            if self._made_shadows is None:
                self._made_shadows = Shadows(self._reloader.entered)
        return self._made_shadows

    def _enter(
        self, context: Context, event: bytes | None, request: "WSGIEnvironment | None" = None
    ) -> Function:
        """Return the function that answers, entered: an edit retires it only once it was left."""
        while True:
            snapshot = self._reloader.snapshot
            name = snapshot.router.resolve(context, event, request)
            function = snapshot.live.get(name) or snapshot.function(name)
            if function is not None and function.enter():
                return function


def _answer(which: Phase, context: Context, work: Callable[[], bytes]) -> Result:
    """Run one phase between its log lines; an error that it raises becomes the answer."""
    try:
        with logs.PhaseLines(which, context):
            return Result(work())
    except BaseException as error:
        return result.failure(error, context.credentials)
