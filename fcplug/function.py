"""One live function: loaded and initialized once, then invoked many times at once."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fcplug import logs
from fcplug.config import FunctionSpec
from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded
from fcplug.plugins import Loader, Plugins
from fcplug.protocol import Phase

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """Work that is done until it first succeeds.

    Callers that meet a running attempt wait and share its outcome: a slow failure costs its time
    once, not once for each of them. The next caller after a failure tries again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._error: BaseException | None = None
        self._value: tuple[_Value] | None = None

    @property
    def done(self) -> bool:
        """Tell whether the work has succeeded."""
        return self._value is not None

    def run(self, work: Callable[[], _Value]) -> _Value:
        """Return the value of the work, done now if it has not been yet."""
        failures = self._failures
        if self._value is not None:
            return self._value[0]
        with self._lock:
            if self._value is not None:
                return self._value[0]
            if self._failures != failures and self._error is not None:
                raise self._error
            try:
                value = work()
            except BaseException as error:
                self._failures += 1
                self._error = error
                raise
            self._value = (value,)
            return value

    def reset(self) -> bool:
        """Let the work be done again; tell whether it had been done."""
        with self._lock:
            done, self._value = self.done, None
            return done


class Function:
    """A function of the configuration, from its plugins' import to its stop."""

    def __init__(self, spec: FunctionSpec, loader: Loader) -> None:
        self.spec = spec
        self._loader = loader
        self._loaded: Once[Plugins] = Once()
        self._initialized: Once[Any] = Once()
        self._places = threading.BoundedSemaphore(spec.concurrency) if spec.concurrency else None

    @property
    def initialized(self) -> bool:
        """Tell whether the initialize hooks have run, and no stop since."""
        return self._initialized.done

    def load(self) -> Plugins:
        """Import the plugins, once.

        Raises:
            PluginError: a plugin cannot be made to serve; the next call tries again.
        """
        return self._loaded.run(lambda: self._loader.load(self.spec))

    def initialize(self, context: Context) -> Any:
        """Run the initialize hooks, once, and return what the handler's own returned.

        Whatever a hook raises is passed on, and the next call tries again.
        """
        return self._initialized.run(lambda: self._initialize(context))

    def invoke(self, event: bytes, context: Context) -> Any:
        """Answer one event; a function that was not initialized yet is so first.

        Raises:
            PluginError: a plugin cannot be made to serve.
            ConcurrencyExceeded: as many invocations as the function may have are running.
        """
        if self._places is None:
            return self._invoke(event, context)
        if not self._places.acquire(blocking=False):
            raise ConcurrencyExceeded(self.spec.name, self.spec.concurrency or 0)
        try:
            return self._invoke(event, context)
        finally:
            self._places.release()

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks of a function that is initialized."""
        if self.initialized:
            self.load().hook.pre_freeze(context=self._own(context))

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks of a function that is initialized; it then no longer is."""
        if self._initialized.reset():
            self.load().hook.pre_stop(context=self._own(context))

    def _own(self, context: Context) -> Context:
        return context.for_function(self.spec.settings, self.spec.timeout)

    def _initialize(self, context: Context) -> Any:
        results = self.load().hook.initialize(context=self._own(context))
        if isinstance(results, list):
            return results[-1] if results else b""
        return b"" if results is None else results  # a wrapper's own

    def _invoke(self, event: bytes, context: Context) -> Any:
        plugins = self.load()
        if not self.initialized:
            self._initialize_first(plugins, context)
        return plugins.hook.invoke(event=event, context=self._own(context))

    def _initialize_first(self, plugins: Plugins, context: Context) -> None:
        """Initialize before the first invocation: FC was not told to ask for it."""
        if not plugins.implements("initialize"):
            self.initialize(context)
            return
        with logs.phase(Phase.INITIALIZE, context):
            self.initialize(context)
