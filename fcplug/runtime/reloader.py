"""Edits of the configuration, taken over while invocations go on."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from fcplug import logs, result
from fcplug.config.file import ConfigFile
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import ConfigError
from fcplug.protocol import Phase
from fcplug.runtime.function import Function
from fcplug.runtime.snapshot import Shared, Snapshot

log = logging.getLogger("fcplug")

INTERVAL = 1.0  # seconds between two looks at the file


class Reloader:
    """Holds the snapshot that answers, and replaces it when its file holds a new configuration.

    Everything new is made aside: an edit that is wrong, or with which a function that serves now
    no longer could, changes nothing. Then one assignment makes the new snapshot answer; what it
    does not take over is stopped when its last invocation has ended.
    """

    def __init__(
        self, config: Config, shared: Shared, file: ConfigFile | None, environ: Mapping[str, str]
    ) -> None:
        self.snapshot = Snapshot(config, shared)
        self._shared = shared
        self._file = file
        self._environ = environ
        self._lock = threading.Lock()
        self._next = time.monotonic() + INTERVAL if file else float("inf")

    def look(self) -> None:
        """Look at the file, at most once in an interval; one thread does, the others go on."""
        while time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = time.monotonic() + INTERVAL
                self._look()
            finally:
                self._lock.release()
            if self._next:
                return  # else a look was asked for meanwhile: this one may have been too early

    def look_now(self) -> None:
        """Look at the file from a thread of its own, as a signal asks for."""
        if self._file:
            self._next = 0.0
            threading.Thread(target=self.look, name="fcplug-reload", daemon=True).start()

    def _look(self) -> None:
        try:
            config = self._file.changed() if self._file else None
        except ConfigError as error:
            log.error("the edit is refused, the running configuration stays:\n%s", error)
            return
        if config is not None:
            self._take_over(config)

    def _take_over(self, config: Config) -> None:
        old, new = self.snapshot, Snapshot(config, self._shared, self.snapshot)
        kept = {id(function) for function in new.functions}
        replaced = [function for function in old.functions if id(function) not in kept]
        try:
            for function in replaced:
                if function.initialized and function.spec.name in config.functions:
                    self._bring_up(new, function.spec.name)
        except BaseException as error:
            log.error(
                "the edit is refused, the running configuration stays: %s", result.explain(error)
            )
            self._retire([f for f in new.close() if id(f) not in kept])
            return
        self.snapshot = new
        _tell(old.config, config)
        self._retire([function for function in old.close() if id(function) not in kept])

    def _bring_up(self, snapshot: Snapshot, name: str) -> None:
        context = Context.from_headers({}, self._environ)
        with logs.phase(Phase.INITIALIZE, context):
            function = snapshot.function(name)
            assert function is not None  # noqa: S101 - nobody else has this snapshot yet
            function.initialize(context)

    def _retire(self, functions: Sequence[Function]) -> None:
        if functions:
            threading.Thread(
                target=self._stop_all, args=(functions,), name="fcplug-retire", daemon=True
            ).start()

    def _stop_all(self, functions: Sequence[Function]) -> None:
        for function in functions:
            function.retire(self.snapshot.config.runtime.drain_timeout)
            if function.stoppable:
                context = Context.from_headers({}, self._environ)
                with suppress(BaseException), logs.phase(Phase.PRE_STOP, context):
                    function.pre_stop(context)  # the phase logs what goes wrong
            function.close()


def _tell(old: Config, new: Config) -> None:
    """Log what an edit changed."""
    before, after = old.functions, new.functions
    changes = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in after if name in before and after[name] != before[name]},
    }
    told = [f"{what}: {', '.join(sorted(names))}" for what, names in changes.items() if names]
    log.info("the configuration is reloaded (%s)", "; ".join(told) or "functions unchanged")
    if old.runtime != new.runtime:
        log.warning("the keys of runtime that changed count after a restart only")
