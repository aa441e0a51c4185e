"""Edits of the configuration, which take effect while invocations go on."""

import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from fcplug import logs, result
from fcplug.config.file import ConfigFile
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import ConfigError
from fcplug.protocol import Phase
from fcplug.runtime.function import Function
from fcplug.runtime.snapshot import Shared, Snapshot

log = logging.getLogger("fcplug")

INTERVAL = 1.0  # seconds between two reads of the file
_MOST_THREADS = 32  # that stop replaced functions; an edit of defaults may replace hundreds
_NO_FUNCTIONS: Mapping[int, Function] = MappingProxyType({})


class Reloader:
    """Holds the snapshot that answers, and replaces it when its file holds a new configuration.

    Everything new is loaded and initialized beside what serves. An edit that is wrong, or that a
    function which serves now would not survive, changes nothing and runs no hook on what serves.
    Then one assignment makes the new snapshot answer. A function that it does not keep is stopped
    when its last invocation has ended.

    A function whose hooks would run again on a module that serves is the exception: its new object
    is initialized after the old one was stopped, and its invocations wait for that.

    Attributes:
        snapshot: what answers now.
        next_poll: when the file is to be read again, on ``time.monotonic()``; never without a file.
    """

    def __init__(
        self, config: Config, shared: Shared, file: ConfigFile | None, environ: Mapping[str, str]
    ) -> None:
        self.snapshot = Snapshot(config, shared)
        self._shared = shared
        self._file = file
        self._environ = environ
        self._lock = threading.Lock()
        self.next_poll = time.monotonic() + INTERVAL if file else float("inf")
        self._starting = threading.Lock()
        self._retiring: dict[threading.Thread, str] = {}
        self._ending = False

    def end(self) -> dict[threading.Thread, str]:
        """Initialize nothing more; return the threads that stop functions, each with its name."""
        self._ending = True
        with self._starting:
            return dict(self._retiring)

    def entered(self, name: str) -> Function | None:
        """Return the function of a name, entered; None if there is none any more."""
        while name in self.snapshot.config.functions:
            function = self.snapshot.function(name)
            if function is not None and function.enter():
                return function
        return None

    def poll(self) -> None:
        """Read the file, at most once in an interval; one thread does it, the others go on."""
        while time.monotonic() >= self.next_poll and self._lock.acquire(blocking=False):
            try:
                self.next_poll = time.monotonic() + INTERVAL
                self._poll()
            finally:
                self._lock.release()
            if self.next_poll:
                return  # else another was requested meanwhile: this one may have been too early

    def take_over(self, config: Config) -> None:
        """Answer by this configuration from now on, unless what it changes cannot be loaded."""
        with self._lock:
            self._take_over(config)

    def request_poll(self) -> None:
        """Read the file at once, on another thread: a signal handler must not wait."""
        if self._file:
            self.next_poll = 0.0
            threading.Thread(target=self.poll, name="fcplug-reload", daemon=True).start()

    def _poll(self) -> None:
        self._shared.code.report_edits()
        try:
            config = self._file.changed() if self._file else None
        except ConfigError as error:
            log.error("the edit is rejected, the running configuration stays in use:\n%s", error)
            return
        if config is not None:
            self._take_over(config)

    def _take_over(self, config: Config) -> None:
        old, new = self.snapshot, Snapshot(config, self._shared, self.snapshot)
        kept = {id(function) for function in new.functions}
        replaced = [function for function in old.functions if id(function) not in kept]
        try:
            after = self._prepare(new, replaced)
        except BaseException as error:
            log.error(
                "the edit is rejected, the running configuration stays in use: %s",
                result.format_error(error),
            )
            rejected = [function for function in new.close() if id(function) not in kept]
            for function in rejected:
                function.after = None  # what serves goes on, and never ends for this one
            self._retire(rejected)
            return
        new.update_kept()
        self.snapshot = new
        _log_changes(old.config, config)
        self._retire([function for function in old.close() if id(function) not in kept], after)
        if self._shared.code.watched:
            self._load_new(new, kept)

    def _load_new(self, new: Snapshot, kept: Collection[int]) -> None:
        """Load what no call has needed yet: a developer sees a mistake right after the edit."""
        for name in new.config.functions:
            function = new.function(name)
            if function and id(function) not in kept:
                try:
                    function.load()
                except BaseException as error:
                    text = result.format_error(error)
                    log.error("function '%s' is not loaded, and its calls fail: %s", name, text)

    def _prepare(self, new: Snapshot, replaced: Sequence[Function]) -> dict[int, Function]:
        """Load the functions that replace loaded ones, then initialize as the old ones were.

        Returns those that have to wait for the one that they replace, by its id.
        """
        after, beside = {}, []
        for old in replaced:
            if old.spec.name not in new.config.functions:
                continue
            function = new.function(old.spec.name)
            if function is None:
                continue  # only a closed snapshot has none
            if not old.initialized:
                function.after = old.stopped  # it may be about to be
                if old.loaded:
                    function.load()
            elif function.must_follow(old):
                function.after = old.stopped
                after[id(old)] = function
            else:
                beside.append(function)
        for function in beside:
            self._initialize(function)
        return after

    def _initialize(self, function: Function) -> None:
        context = Context.from_headers({}, self._environ)
        with logs.PhaseLines(Phase.INITIALIZE, context):
            function.initialize(context)

    def _retire(
        self, functions: Sequence[Function], after: Mapping[int, Function] = _NO_FUNCTIONS
    ) -> None:
        """Stop functions, many at once; then initialize what waits for them."""
        # first those that others wait for
        waiting = deque(sorted(functions, key=lambda function: id(function) not in after))
        for function in functions[:_MOST_THREADS]:
            thread = threading.Thread(
                target=self._replace_all, args=(waiting, after), name="fcplug-retire", daemon=True
            )
            with self._starting:  # only a thread that has started can be waited for
                self._retiring[thread] = function.spec.name
                thread.start()

    def _replace_all(self, waiting: deque[Function], after: Mapping[int, Function]) -> None:
        thread = threading.current_thread()
        while True:
            try:
                function = waiting.popleft()
            except IndexError:
                break
            self._retiring[thread] = function.spec.name
            self._replace(function, after.get(id(function)))
        del self._retiring[thread]

    def _replace(self, function: Function, after: Function | None) -> None:
        try:
            function.retire(self.snapshot.config.runtime.drain_timeout)
            function.stop(self._environ)
            if function.after:
                function.after.wait()
        finally:
            function.stopped.set()
        if after and not self._ending and after.enter():  # else the next edit has replaced it
            self._initialize_late(after)

    def _initialize_late(self, function: Function) -> None:
        try:
            with suppress(BaseException):  # the phase logs what goes wrong; the next call tries
                self._initialize(function)
        finally:
            function.leave()
        if self._ending:  # its stop may have come too early
            function.stop(self._environ)


def _log_changes(old: Config, new: Config) -> None:
    """Log what an edit changed."""
    before, after = old.functions, new.functions
    changes = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in after if name in before and after[name] != before[name]},
    }
    parts = [f"{what}: {', '.join(sorted(names))}" for what, names in changes.items() if names]
    log.info("the configuration is reloaded (%s)", "; ".join(parts) or "functions unchanged")
    if old.runtime != new.runtime:
        log.warning("the keys of runtime that changed count after a restart only")
