"""The loop that keeps a number of processes alive."""

import collections
import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from socket import socket

from fcplug.process import accept_filter, held_signals
from fcplug.process.child import Process, describe, ended, fork
from fcplug.process.held_signals import STOP
from fcplug.process.siblings import Mailboxes, Siblings

log = logging.getLogger("fcplug.supervisor")

_SIGNALS = (*STOP, signal.SIGHUP, signal.SIGCHLD)

_LIVED = 1.0  # seconds after which a start counts as a success
_FIRST_PAUSE = 0.02  # seconds before a start that follows a death; doubled while starts fail
_LONGEST_PAUSE = 5.0
_PATIENCE = 10  # failed starts ...
_WINDOW = 60.0  # ... within so many seconds are enough
_LOOK = 1.0  # seconds between two looks at memory
_RENEWAL = 10.0  # seconds from one renewal of a place to the next, however it grows
_LONG = 3600.0


class Place:
    """Where one process serves; for a moment also the one that it is to replace."""

    def __init__(self) -> None:
        self.process: Process | None = None
        self.predecessor: Process | None = None
        self.starts_at = 0.0
        self.renewed_at = -math.inf
        self.pause = _FIRST_PAUSE

    @property
    def there(self) -> list[Process]:
        """Who is there."""
        return [process for process in (self.process, self.predecessor) if process]

    def clear(self) -> list[Process]:
        """Return who was there."""
        there = self.there
        self.process = self.predecessor = None
        return there

    def begin_renewal(self) -> None:
        """Have a process started that takes over."""
        self.renewed_at = time.monotonic()
        self.predecessor, self.process = self.process, None
        self.starts_at = 0.0

    def vacate(self, *, lived: bool) -> None:
        """Have the next process started, later and later while none lives long."""
        if lived:
            self.pause = _FIRST_PAUSE
        self.process = None
        self.starts_at = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)


class Team:
    """Processes that all run the same body and share a socket."""

    def __init__(  # noqa: PLR0913 - what a team is, by name
        self,
        body: Callable[[Siblings], int],
        sock: socket,
        *,
        processes: int,
        stop_timeout: float,
        memory_watermark: int | None = None,
        restarts: bool = True,
    ) -> None:
        self.stopping = False
        self._body = body
        self._sock = sock
        self._stop_timeout = stop_timeout
        self._memory_watermark = memory_watermark
        self._restarts = restarts
        self._mailboxes = Mailboxes(processes + 1)  # one for whoever leaves
        self._places = [Place() for _ in range(processes)]
        self._leaving: list[Process] = []
        self._failed_starts: collections.deque[tuple[float, str]] = collections.deque(
            maxlen=_PATIENCE
        )
        self._mask: set[int] = set()
        self._worst = 0

    def run(self) -> int:
        """Keep the processes alive until told to stop; return 0 if all of them stopped in order.

        Signals are waited for, never handled: nothing runs in between, and one that comes early is
        not lost.

        Raises:
            RuntimeError: there is another thread; a fork could leave its locks locked.
        """
        if (
            threading.active_count() > 1
            or threading.current_thread() is not threading.main_thread()
        ):
            raise RuntimeError("a supervisor runs in the main thread, and beside no other")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, it hides the codes
        self._mask = {*signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)}
        for number in held_signals.release():
            os.kill(os.getpid(), number)  # it is blocked now, and waited for below
        try:
            while True:
                self._start_missing()
                if not self._alive and (self.stopping or not self._restarts):
                    return self._worst
                self._renew()
                self._kill_late()
                self._wait()
                self._bury()
        finally:
            self._mailboxes.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @property
    def _alive(self) -> list[Process]:
        there = (process for place in self._places for process in place.there)
        return [*self._leaving, *there]

    def _start_missing(self) -> None:
        for place in self._places:
            if self.stopping or place.process or place.starts_at > time.monotonic():
                continue
            if not self._restarts:
                place.starts_at = math.inf
            try:
                place.process = self._start()
            except OSError as error:
                self._note_failed_start(place, f"no process can be started: {error}")

    def _start(self) -> Process:
        mailbox = self._mailboxes.take()
        try:
            return fork(lambda: self._body(Siblings(self._mailboxes, mailbox)), mailbox, self._mask)
        except OSError:
            self._mailboxes.free(mailbox)
            raise

    def _renew(self) -> None:
        """Replace what uses too much memory, one process at a time, the new one first."""
        if self._memory_watermark is None or self.stopping:
            return
        for place in self._places:
            if place.predecessor and place.process and place.process.age >= _LIVED:
                self._dismiss(place.predecessor)
                place.predecessor = None
        if self._leaving or any(place.predecessor for place in self._places):
            return
        for place in self._places:
            used = place.process.resident if place.process else 0
            if used > self._memory_watermark and time.monotonic() > place.renewed_at + _RENEWAL:
                log.warning("a process uses %d bytes: it is replaced", used)
                place.begin_renewal()
                self._start_missing()
                return

    def _dismiss(self, process: Process) -> None:
        process.send(signal.SIGTERM)
        process.killed_at = time.monotonic() + self._stop_timeout
        self._leaving.append(process)

    def _kill_late(self) -> None:
        for process in self._leaving:
            if time.monotonic() >= process.killed_at:
                log.error(
                    "process %d has not stopped within %g s: it is killed",
                    *(process.pid, self._stop_timeout),
                )
                process.send(signal.SIGKILL)
                process.killed_at = math.inf

    def _wait(self) -> None:
        """Sleep until a signal comes or something is due."""
        due = [process.killed_at for process in self._leaving]
        if not self.stopping:
            due += [place.starts_at for place in self._places if not place.process]
        now = time.monotonic()
        patience = min([*due, now + (_LONG if self._memory_watermark is None else _LOOK)]) - now
        came = signal.sigtimedwait(_SIGNALS, max(0.0, patience))
        if not came:
            return
        if came.si_signo in STOP:
            self._have_one_that_answers()
            self._stop(came.si_signo)
        elif came.si_signo == signal.SIGHUP:
            for process in self._alive:
                process.send(signal.SIGHUP)

    def _have_one_that_answers(self) -> None:
        """Before a stop, have at least one process: it answers what has connected already."""
        self._bury()
        if not self.stopping and not self._alive:
            with contextlib.suppress(OSError):  # no room: what has connected is lost
                self._places[0].process = self._start()

    def _stop(self, number: int) -> None:
        if self.stopping:
            self._worst = 128 + number  # as a shell reports it
            for process in self._alive:
                process.send(signal.SIGKILL)
            return
        self.stopping = True
        accept_filter.shut(self._sock)
        self._sock.close()  # else what connects after the last process left would wait for nobody
        for place in self._places:
            for process in place.clear():
                self._dismiss(process)

    def _bury(self) -> None:
        for pid, code in ended():
            for process in self._alive:
                if process.pid == pid:
                    self._mailboxes.free(process.mailbox)
                    self._remove(process, code)

    def _remove(self, process: Process, code: int) -> None:
        if process in self._leaving:
            self._leaving.remove(process)
            if self.stopping:
                self._worst = self._worst or int(code != 0)
            return
        for place in self._places:
            if place.process is process:
                self._mourn(place, process, code)
            elif place.predecessor is process:
                place.predecessor = None

    def _mourn(self, place: Place, process: Process, code: int) -> None:
        what = describe(code)
        if code or self._restarts:
            log.error("process %d ended after %.1f s: %s", process.pid, process.age, what)
        if not self._restarts:
            place.process = None
            self._worst = code if code >= 0 else 1
        elif process.age >= _LIVED:
            place.vacate(lived=True)
        else:
            self._note_failed_start(place, what)

    def _note_failed_start(self, place: Place, what: str) -> None:
        place.vacate(lived=False)
        now = time.monotonic()
        self._failed_starts.append((now, what))
        first = self._failed_starts[0][0]
        if len(self._failed_starts) == _PATIENCE and now - first < _WINDOW and not self.stopping:
            counts = collections.Counter(what for _, what in self._failed_starts)
            causes = ", ".join(f"{what} {count} times" for what, count in counts.items())
            log.critical(
                "giving up: %d processes ended right after their start, in %.1f s: %s",
                *(_PATIENCE, now - first, causes),
            )
            self._worst = 1
            self._stop(signal.SIGTERM)
