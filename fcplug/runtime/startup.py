"""The functions, loaded at the start one after the other, with a line in the log for each."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fcplug import logs
from fcplug.config.model import FunctionSpec
from fcplug.result import error_type_of, format_error

if TYPE_CHECKING:
    from fcplug.runtime.runtime import Runtime

log = logging.getLogger("fcplug")

_MOST_ROWS = 20  # functions listed one by one; of more, only those that failed
_PATIENCE = 3.0  # seconds that a function may load before the next ones are loaded beside it


def load_and_report(runtime: "Runtime", names: Sequence[str]) -> str:
    """Load functions and report each result; return one that was loaded, or an empty string.

    A function that takes long to load delays neither the others nor the return: its line comes
    when it is loaded.
    """
    report = _Report(runtime, names)
    waiting = deque(names)
    patience = _PATIENCE
    while waiting:
        loader = _Loader(waiting, report.load)
        loader.start()
        if not loader.finished_within(patience):
            patience /= 2  # the next ones may wait for the same module
    return report.healthy


def announce(text: str, log_format: str) -> None:
    """Write a line for people to standard output; as a record where records are JSON."""
    if log_format == "json":
        log.info("%s", text)
    else:
        logs.write_status(f"{text}\n")


class _Loader(threading.Thread):
    """Loads one function after the other, until none waits or one takes too long."""

    def __init__(self, waiting: deque[str], load: Callable[[str], None]) -> None:
        super().__init__(name="fcplug-loader", daemon=True)
        self._waiting = waiting
        self._load = load
        self._loaded = threading.Semaphore(0)
        self._done = self._late = False

    def run(self) -> None:
        while self._waiting and not self._late:
            self._load(self._waiting.popleft())
            self._loaded.release()
        self._done = True
        self._loaded.release()

    def finished_within(self, patience: float) -> bool:
        """Wait for the end; return False once one function takes over ``patience`` seconds."""
        while self._loaded.acquire(timeout=patience):
            if self._done:
                return True
        self._late = True
        return False


class _Report:
    """Loads a function and logs the outcome as a row of a table.

    Attributes:
        healthy: the first function that was loaded.
    """

    def __init__(self, runtime: "Runtime", names: Sequence[str]) -> None:
        self.healthy = ""
        self._runtime = runtime
        self._plugins = {name: _plugins_of(runtime.config.functions[name]) for name in names}
        self._widths = (
            max(map(len, names), default=0),
            max(map(len, self._plugins.values()), default=0),
        )

    def load(self, name: str) -> None:
        """Load one function, and log its row even if that fails."""
        for _, package, error in self._runtime.load([name]):
            if error is not None:
                text, function = format_error(error), f"function '{name}'"
                log.error("%s", text if text.startswith(function) else f"{function}: {text}")
                self._row(name, f"NOT LOADED: {error_type_of(error)} (see above)")
                return
            self.healthy = self.healthy or name
            if len(self._plugins) <= _MOST_ROWS:
                self._row(name, package)

    def _row(self, name: str, outcome: str) -> None:
        plugins, log_format = self._plugins[name], self._runtime.config.runtime.log_format
        if log_format == "json":
            parts = {"function": name, "plugins": plugins, "outcome": outcome}
            log.info("function '%s': %s  %s", name, plugins, outcome, extra=parts)
            return
        row = f"  {name:{self._widths[0]}}  {plugins:{self._widths[1]}}  {outcome}"
        announce(row.rstrip(), log_format)


def _plugins_of(spec: FunctionSpec) -> str:
    names = [*(item.name for item in spec.middleware), spec.handler or ""]
    answering = [" > ".join(names)] if spec.handler else []
    answering += [f"{key} {name}" for key in ("wsgi", "asgi") if (name := getattr(spec, key))]
    return ", ".join(answering)
