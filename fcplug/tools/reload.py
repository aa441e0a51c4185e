"""``fcplug serve --reload``: edits of the code and of the configuration take effect at once."""

import importlib.util
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import socket
from types import FrameType
from urllib.parse import unquote, urlsplit

from fcplug.config.file import SETTLED
from fcplug.errors import ToolsMissing
from fcplug.process import accept_filter
from fcplug.tools.served import Event, Loaded, Served

log = logging.getLogger("fcplug.reload")

_LIVED = 1.0  # seconds that a process has to serve before another is started when it ends
_SHOWN = 3  # changed files that are named
_TURN = SETTLED  # seconds; a process reads no file that may still be being written


class _Changed(list[str]):
    """Files that have changed."""


class _Signal(int):
    """A signal that has come."""


def require(command: str = "fcplug serve --reload") -> None:
    """Check that the package that finds changes is installed, for a command that needs it.

    Raises:
        ToolsMissing: it is not; says how to install it.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise ToolsMissing(command, ["watchfiles"])


def watched_folders(code: str) -> list[str]:
    """Return the folders whose changes count: the code's, and those of editable installs."""
    found = {os.path.realpath(code)}
    for distribution in metadata.distributions():
        text = distribution.read_text("direct_url.json")
        origin = json.loads(text) if text else {}
        if origin.get("dir_info", {}).get("editable"):
            found.add(os.path.realpath(unquote(urlsplit(origin["url"]).path)))
    inner = {folder for folder in found for outer in Path(folder).parents if str(outer) in found}
    return sorted(filter(os.path.isdir, found - inner))


def run(command: Sequence[str], listener: socket, folders: Sequence[str], config: str) -> int:
    """Serve until SIGTERM or SIGINT, by one process after the other; return the exit code.

    Args:
        command: starts a process; what it inherits is added as ``--handover``.
        listener: the socket that they all serve.
        folders: a new process is started when a Python file in one of them changes.
        config: the configuration; the process that serves reads it when it has changed, and a new
            one is started if none serves.
    """
    events: SimpleQueue[Event | _Changed | _Signal] = SimpleQueue()
    watcher = _Watcher(folders, config, events)

    def note(number: int, _frame: FrameType | None) -> None:
        events.put(_Signal(number))

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    watcher.start()
    watcher.ready.wait()  # an edit that comes after the first process has read a file must count
    try:
        return _Supervisor(command, listener, events, config).run()
    finally:
        watcher.stop.set()
        watcher.join()


class _Watcher(threading.Thread):
    """Reports Python files that change in folders, and the configuration.

    Attributes:
        ready: set once changes are noticed.
        stop: set to end the thread.
    """

    def __init__(
        self,
        folders: Sequence[str],
        config: str,
        events: "SimpleQueue[Event | _Changed | _Signal]",
    ) -> None:
        super().__init__(name="fcplug-watch", daemon=True)
        self.ready = threading.Event()
        self.stop = threading.Event()
        self._config = os.path.realpath(config)
        self._folders = {*folders, os.path.dirname(self._config)}
        self._events = events

    def run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # such as no room for a watch left in the kernel
            log.error("changes of the code will not be noticed: %s", error)
        self.ready.set()

    def _watch(self) -> None:
        import watchfiles  # noqa: PLC0415 - from the extra; its absence was reported before

        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # what counts is logged here
        code = watchfiles.PythonFilter()
        for changes in watchfiles.watch(
            *self._folders,
            watch_filter=lambda change, path: path == self._config or code(change, path),
            stop_event=self.stop,
            debounce=200,
            rust_timeout=200,
            yield_on_timeout=True,  # the first time says that it watches
            raise_interrupt=False,
        ):
            self.ready.set()
            if changes:
                self._events.put(_Changed(sorted(path for _, path in changes)))


class _Supervisor:
    """Reacts to what happens, one event after the other.

    ``_current`` serves; ``_next`` loads the functions and takes its place when it has, unless it
    has lost one that ``_current`` could load. ``_leaving`` finish what they have accepted.
    ``_edited`` says that the process which serves has not read the configuration since an edit.
    """

    def __init__(
        self,
        command: Sequence[str],
        listener: socket,
        events: "SimpleQueue[Event | _Changed | _Signal]",
        config: str,
    ) -> None:
        self._command = command
        self._listener = listener
        self._events = events
        self._config = os.path.realpath(config)
        self._current: Served | None = None
        self._next: Served | None = None
        self._leaving: set[Served] = set()
        self._edited = False
        self._stopping = False
        self._code = 0

    def run(self) -> int:
        self._start()
        while not self._stopping or self._next or self._current or self._leaving:
            try:
                event = self._events.get(timeout=_TURN)
            except Empty:  # a signal that another thread gets does not wake a wait without end
                self._take_edit_over()
                continue
            if isinstance(event, _Changed):
                self._changed(event)
            elif isinstance(event, _Signal):
                self._signal(event)
            elif isinstance(event, Loaded):
                self._loaded(event.process, event.failed)
            else:
                self._ended(event.process, event.code)
        return self._code

    def _start(self) -> None:
        if self._next:
            self._next.send(signal.SIGKILL)  # it has never served
            self._leaving.add(self._next)
        self._next = Served(self._command, self._listener, self._events)

    def _changed(self, files: Sequence[str]) -> None:
        code = [file for file in files if file != self._config]
        self._edited = self._edited or len(code) < len(files)
        if self._stopping or not (code or self._current is None):
            return  # the process that serves takes an edit of the configuration over
        shown = ", ".join(map(os.path.relpath, (code or files)[:_SHOWN]))
        more = f" and {len(code) - _SHOWN} more" if len(code) > _SHOWN else ""
        log.info("changed: %s%s; starting a new process", shown, more)
        self._start()

    def _take_edit_over(self) -> None:
        """Let the process that serves read an edited configuration, now that no more comes."""
        if self._edited and not self._next:  # what loads may have read the file too early
            self._edited = not _has_content(self._config)  # it is read again until it is back
            if self._current:
                self._current.send(signal.SIGHUP)

    def _loaded(self, process: Served, failed: Sequence[str]) -> None:
        if process is not self._next:
            return
        self._next = None
        lost = sorted({*failed} & process_names(self._current))
        if lost and self._current:
            log.error(
                "the new code does not load %s, see above: the previous process continues. "
                "The next edit tries again",
                ", ".join(map(repr, lost)),
            )
            process.send(signal.SIGKILL)
            self._leaving.add(process)
            return
        before, self._current = self._current, process
        process.serve()
        if before:
            before.send(signal.SIGTERM)
            self._leaving.add(before)

    def _ended(self, process: Served, code: int) -> None:
        if process in self._leaving:
            self._leaving.discard(process)
            if self._stopping and code > 0:
                self._code = self._code or code
        elif process is self._next:
            self._next = None
            state = "the previous process continues" if self._current else "nothing serves"
            log.error(
                "the new process ended before it served, see above: %s. The next edit tries again",
                state,
            )
        elif process is self._current:
            self._current = None
            lived = time.monotonic() - process.serves_since
            log.error("the process ended after %.1f s, exit code %d", lived, code)
            if self._next is None and lived >= _LIVED and not self._stopping:
                self._start()

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            if self._current:
                self._current.send(number)
            return
        kill = self._stopping
        accept_filter.block_new_connections(self._listener)  # what has connected is still answered
        self._stopping = True
        if self._next:
            self._next.send(signal.SIGKILL)
            self._leaving.add(self._next)
            self._next = None
        if self._current:
            self._leaving.add(self._current)
            self._current.send(signal.SIGTERM)
            self._current = None
        if kill:
            self._code = 128 + number  # as a shell reports it
            for process in self._leaving:
                process.send(signal.SIGKILL)


def _has_content(file: str) -> bool:
    try:
        return os.path.getsize(file) > 0
    except OSError:
        return False


def process_names(process: Served | None) -> frozenset[str]:
    """Return the functions that a process has loaded."""
    return process.loaded if process else frozenset()
