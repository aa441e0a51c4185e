"""The functions of one version of the configuration, and which of them answers a call."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from fcplug import protocol
from fcplug.concurrency.event_loop import EventLoop
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.errors import UnknownFunction
from fcplug.plugins.loaded_code import LoadedCode
from fcplug.plugins.loader import Loader
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.runtime.backend import Backend
from fcplug.runtime.function import Function, Load
from fcplug.runtime.routing import Router

if TYPE_CHECKING:
    from fcplug.runtime.observation import Observers
    from fcplug.workers import Workers


class Shared(NamedTuple):
    """What the functions of all snapshots share.

    ``folder`` is the working directory at the start; handlers may change that of the process.
    """

    event_loop: EventLoop
    threads: ThreadPool
    environ: Mapping[str, str]
    folder: str
    hooks: SharedHooks
    code: LoadedCode
    observers: "Observers | None"


class Snapshot:
    """Serves one version of the configuration; the version never changes.

    The next version's snapshot keeps the functions whose entry did not change, or in its limits
    only; ``update_kept`` applies these.

    Attributes:
        forwarding: whether some function's application answers events and lifecycle calls itself.
        router: names the function that answers a call.
        live: the functions that were needed so far, by name.
    """

    def __init__(self, config: Config, shared: Shared, before: "Snapshot | None" = None) -> None:
        self.config = config
        self.forwarding = any(spec.phases == "app" for spec in config.functions.values())
        self.router = Router(config)
        self._shared = shared
        self._loader = Loader(config.document, shared.event_loop, shared.environ, shared.hooks)
        self._lock = threading.Lock()
        self._closed = False
        self.live: dict[str, Function] = {}
        for function in before.functions if before else ():
            spec = config.functions.get(function.spec.name)
            if spec and spec.without_limits() == function.spec.without_limits():
                self.live[spec.name] = function
        self._kept = list(self.live.values())

    @property
    def functions(self) -> list[Function]:
        """The functions that were needed so far."""
        with self._lock:
            return list(self.live.values())

    @property
    def initialized(self) -> list[Function]:
        """The functions whose initialize hooks have run, and no stop since."""
        return [function for function in self.functions if function.initialized]

    def function(self, name: str) -> Function | None:
        """Return a function of the configuration, None once this snapshot is closed."""
        function = self.live.get(name)
        if function is None:
            with self._lock:
                if self._closed:
                    return None
                function = self.live.get(name) or self._make(name)
                self.live[name] = function
        return function

    def candidates(self, context: Context) -> list[str]:
        """Return the functions that calls like this may lead to; all if it names none.

        Raises:
            UnknownFunction: it names one that nothing leads to.
        """
        named = context.header(protocol.FUNCTION_NAME) or context.header(protocol.FUNCTION_HANDLER)
        return self.router.candidates(context) if named else list(self.config.functions)

    def forwards(self, context: Context, event: bytes | None = None) -> bool:
        """Return whether a call's function has an application that answers all phases."""
        spec = self.leads_to(context, event) if self.forwarding else None
        return spec is not None and spec.phases == "app"

    def leads_to(self, context: Context, event: bytes | None = None) -> FunctionSpec | None:
        """Return the entry of the function that answers a call, None if none does."""
        try:
            return self.config.functions[self.router.resolve(context, event)]
        except UnknownFunction:
            return None

    def update_kept(self) -> None:
        """Give the functions kept from the snapshot before the limits of this configuration."""
        for function in self._kept:
            spec = self.config.functions[function.spec.name]
            function.update(spec, self._load_of(spec))

    def close(self) -> list[Function]:
        """Make no more functions, and return those that exist."""
        with self._lock:
            self._closed = True
            return list(self.live.values())

    def _make(self, name: str) -> Function:
        spec = self.config.functions[name]
        shared = self._shared
        return Function(spec, self._load_of(spec), shared.threads, shared.observers)

    def _load_of(self, spec: FunctionSpec) -> Load:
        return lambda: self._load(spec)

    def _load(self, spec: FunctionSpec) -> Backend:
        if spec.isolation == "thread":
            plugins = self._loader.load(spec)
            self._shared.code.note()
            return plugins
        workers = workers_of(spec, self.config, self._shared.folder)
        try:
            workers.load()
        except BaseException:
            workers.close()
            raise
        return workers


def observers_of(config: Config) -> "Observers | None":
    """Return the observers of a configuration, opened; None without any."""
    if not config.runtime.observers:
        return None
    from fcplug.runtime.observation import Observers  # noqa: PLC0415 - where some are configured

    return Observers.load(config)


def workers_of(spec: FunctionSpec, config: Config, folder: str) -> "Workers":
    """Return the worker processes of a function, none of them started; they begin in a folder."""
    from fcplug.workers import Workers, WorkerSettings  # noqa: PLC0415 - where some are isolated

    runtime = config.runtime
    settings = WorkerSettings(
        log_format=runtime.log_format,
        log_level=runtime.log_level,
        folder=folder,
        log_blocked=runtime.log_blocked,
    )
    return Workers(spec, config.document, settings)
