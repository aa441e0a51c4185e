"""This process while calls run in it: where its log goes, what it imports from, what is undone."""

import importlib
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from fcplug import logs
from fcplug.context import current
from fcplug.plugins import code_path
from fcplug.testing.event_loops import EventLoops
from fcplug.testing.traces import Traces


class CallLog:
    """The lines that belong to one call."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.lines: list[str] = []


class Stage:
    """Makes this process what an instance is, while calls run, and gives it back in between.

    Calls may overlap. Each gets the lines that are written for its request id; a line that belongs
    to none of those that run, as of a thread that a handler has started, goes to all of them.
    """

    def __init__(
        self, style: Literal["text", "json"], level: str, environ: Mapping[str, str]
    ) -> None:
        self._output = logs.Capture(self._deliver)
        self._redirection = logs.Redirection(self._output, style, level)
        self._environ = environ
        self._event_loops = EventLoops()
        self._traces = Traces()
        self._lock = threading.Lock()
        self._running: tuple[CallLog, ...] = ()
        self._code = ""
        self._path_outside: list[str] = []
        self._path_inside: list[str] = []

    @contextmanager
    def call(self, request_id: str) -> Iterator[CallLog]:
        """Run a call inside; its lines are complete when the call has ended."""
        log = CallLog(request_id)
        with self._lock:
            running, self._running = self._running, (*self._running, log)
            try:
                if not running:
                    self._begin()
            except BaseException:
                self._running = running
                raise
        try:
            yield log
        finally:
            with self._lock:
                running, self._running = (
                    self._running,
                    tuple(other for other in self._running if other is not log),
                )
                if running and not self._running:
                    self._end()

    def close(self) -> None:
        """Undo what calls have changed in this process; those that still run are left alone."""
        with self._lock:
            running, self._running = self._running, ()
            if running:
                self._end()
        self._traces.undo(self._code)
        self._event_loops.close()
        self._output.close()

    def _deliver(self, text: str) -> None:
        running, context = self._running, current.get()
        mine = [log for log in running if context and log.request_id == context.request_id]
        lines = text.removesuffix("\n").split("\n")
        for log in mine or running:
            log.lines.extend(lines)

    def _begin(self) -> None:
        self._traces.begin()
        self._redirection.__enter__()
        self._event_loops.begin()
        before, self._path_outside = self._path_outside, list(sys.path)
        try:
            if self._code:
                self._restore_path(before)
            else:
                code_path.add(self._environ)
                self._code = code_path.folder(self._environ)
                importlib.invalidate_caches()  # the test may just have written what is imported
        except BaseException:
            self._end()
            raise

    def _restore_path(self, before: list[str]) -> None:
        """Give calls their own path again, with what others have changed meanwhile."""
        now, inside = self._path_outside, self._path_inside
        kept = [path for path in inside if path in now or path not in before]
        sys.path[:] = [*kept, *(path for path in now if path not in inside)]

    def _end(self) -> None:
        self._path_inside, sys.path[:] = list(sys.path), self._path_outside
        self._event_loops.end()
        self._redirection.__exit__(None, None, None)
        self._traces.end()
