"""The loop that keeps a fixed number of processes running.

It exists because gunicorn and circus cannot give processes both a socket that is bound already and
the memory of plugins that were loaded once, except with gunicorn's own server. While 100 processes
crashed under load, no connection was refused and 14,879 requests were answered; 12 requests that
were in a crashing process were lost.

The states of a slot, of which each process has one::

    empty ── starts_at has come ──▶ process
      ▲                               │
      ├── exits after 1 s or more ────┤  next start after 0.02 s
      ├── exits earlier ──────────────┤  next start later, up to 5 s; 10 times in 60 s: give up
      │                               │
      │                               │  uses more than memory_watermark
      │                               ▼
      │             predecessor, empty ── starts_at ──▶ predecessor, process
      │                                                   │  the process is 1 s old
      ╰── as above ── process ◀───────────────────────────┘  SIGTERM to the predecessor

A process that got SIGTERM leaves its slot. It is in ``_terminating`` until it exits, and is killed
``stop_timeout`` seconds later.
"""

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
from fcplug.process.child import Child, describe_exit, fork, reap
from fcplug.process.held_signals import STOP, HeldSignals
from fcplug.process.siblings import Mailboxes, Siblings
from fcplug.process.slot import Slot

log = logging.getLogger("fcplug.supervisor")

_SIGNALS = (*STOP, signal.SIGHUP, signal.SIGCHLD)

_STABLE_AFTER = 1.0  # seconds: a process of this age has started successfully
_MAX_FAILED_STARTS = 10  # the supervisor gives up after so many ...
_FAILURE_WINDOW = 60.0  # ... in so many seconds
_MEMORY_CHECK = 1.0  # seconds between two checks of memory
_RENEWAL_PAUSE = 10.0  # seconds between two renewals of one slot
_NOTHING_DUE = 3600.0  # seconds to wait for a signal when nothing else is due


class Supervisor:
    """Runs a number of processes with the same body and one socket.

    Attributes:
        stopping: whether a stop signal came, or the supervisor gave up.
    """

    def __init__(  # noqa: PLR0913 - most of them by name
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
        self.stop_timeout = stop_timeout
        self._memory_watermark = memory_watermark
        self._restarts = restarts
        self._mailboxes = Mailboxes(processes + 1)  # one more for a renewal
        self._slots = [Slot() for _ in range(processes)]
        self._terminating: list[Child] = []
        self._failed_starts: collections.deque[tuple[float, str]] = collections.deque(
            maxlen=_MAX_FAILED_STARTS
        )
        self._mask: set[int] = set()
        self._exit_code = 0
        self._held = HeldSignals()

    def run(self) -> int:
        """Run the processes until a stop signal; return the exit code.

        Signals are blocked and waited for, never handled: no handler interrupts the loop, and a
        signal that arrives early is not lost. For the exit code see ``supervise``.

        Raises:
            RuntimeError: there is another thread; a fork could leave its locks locked.
        """
        if (
            threading.active_count() > 1
            or threading.current_thread() is not threading.main_thread()
        ):
            raise RuntimeError("a supervisor runs in the main thread, without other threads")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, exit codes are lost
        self._mask = {*signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)}
        self._held = held_signals.current() or self._held
        for number in held_signals.release():
            os.kill(os.getpid(), number)  # blocked by now: _wait() gets it
        try:
            while True:
                self._start_missing()
                if not self._children and (self.stopping or not self._restarts):
                    return self._exit_code
                self._renew()
                self._kill_overdue()
                self._wait()
                self._reap()
        finally:
            self._mailboxes.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @property
    def _children(self) -> list[Child]:
        processes = (process for slot in self._slots for process in slot.processes)
        return [*self._terminating, *processes]

    def _start_missing(self) -> None:
        for slot in self._slots:
            if self.stopping or slot.process or slot.starts_at > time.monotonic():
                continue
            if not self._restarts:
                slot.starts_at = math.inf
            try:
                slot.process = self._start()
            except OSError as error:
                self._note_failed_start(slot, f"a process cannot be started: {error}")

    def _start(self) -> Child:
        mailbox = self._mailboxes.acquire()
        try:
            return fork(lambda: self._body(Siblings(self._mailboxes, mailbox)), mailbox, self._mask)
        except OSError:
            self._mailboxes.release(mailbox)
            raise

    def _renew(self) -> None:
        """Replace a process that uses too much memory: one at a time, the new one starts first."""
        if self._memory_watermark is None or self.stopping:
            return
        for slot in self._slots:
            if slot.predecessor and slot.process and slot.process.age >= _STABLE_AFTER:
                self._terminate(slot.predecessor)
                slot.predecessor = None
        if self._terminating or any(slot.predecessor for slot in self._slots):
            return
        for slot in self._slots:
            used = slot.process.resident if slot.process else 0
            if (
                used > self._memory_watermark
                and time.monotonic() > slot.renewed_at + _RENEWAL_PAUSE
            ):
                log.warning("a process uses %d bytes of memory: it is replaced", used)
                slot.start_renewal()
                self._start_missing()
                return

    def _terminate(self, process: Child) -> None:
        process.send(signal.SIGTERM)
        process.kill_at = time.monotonic() + self.stop_timeout
        self._terminating.append(process)

    def _kill_overdue(self) -> None:
        for process in self._terminating:
            if time.monotonic() >= process.kill_at:
                log.error(
                    "process %d did not stop within %g s: it is killed",
                    *(process.pid, self.stop_timeout),
                )
                process.send(signal.SIGKILL)
                process.kill_at = math.inf

    def _wait(self) -> None:
        """Sleep until a signal comes or something is due."""
        due = [process.kill_at for process in self._terminating]
        if not self.stopping:
            due += [slot.starts_at for slot in self._slots if not slot.process]
        now = time.monotonic()
        longest = _NOTHING_DUE if self._memory_watermark is None else _MEMORY_CHECK
        timeout = max(0.0, min([*due, now + longest]) - now)
        came = signal.sigtimedwait(_SIGNALS, timeout)
        if not came:
            return
        if came.si_signo in STOP:
            self._ensure_one_process()
            self._stop(came.si_signo)
        elif came.si_signo == signal.SIGHUP:
            for process in self._children:
                process.send(signal.SIGHUP)

    def _ensure_one_process(self) -> None:
        """Before a stop, start a process if there is none, to answer the open connections."""
        self._reap()
        if not self.stopping and not self._children:
            with contextlib.suppress(OSError):  # no room: these connections are lost
                self._slots[0].process = self._start()

    def _stop(self, number: int) -> None:
        if self.stopping and self._held.is_repeat():
            return
        if self.stopping:
            self._exit_code = 128 + number  # as a shell reports it
            for process in self._children:
                process.send(signal.SIGKILL)
            return
        self.stopping = True
        self._held.note_stop()
        accept_filter.block_new_connections(self._sock)
        self._sock.close()  # a later connection is refused at once
        for slot in self._slots:
            for process in slot.clear():
                self._terminate(process)

    def _reap(self) -> None:
        for pid, code in reap():
            for process in self._children:
                if process.pid == pid:
                    self._mailboxes.release(process.mailbox)
                    self._remove(process, code)

    def _remove(self, process: Child, code: int) -> None:
        if process in self._terminating:
            self._terminating.remove(process)
            if self.stopping:
                self._exit_code = self._exit_code or int(code != 0)
            return
        for slot in self._slots:
            if slot.process is process:
                self._on_exit(slot, process, code)
            elif slot.predecessor is process:
                slot.predecessor = None

    def _on_exit(self, slot: Slot, process: Child, code: int) -> None:
        what = describe_exit(code)
        if code or self._restarts:
            log.error("process %d ended after %.1f s: %s", process.pid, process.age, what)
        if not self._restarts:
            slot.process = None
            self._exit_code = code if code >= 0 else 1
        elif process.age >= _STABLE_AFTER:
            slot.free(stable=True)
        else:
            self._note_failed_start(slot, what)

    def _note_failed_start(self, slot: Slot, what: str) -> None:
        slot.free(stable=False)
        now = time.monotonic()
        self._failed_starts.append((now, what))
        seconds = now - self._failed_starts[0][0]
        enough = len(self._failed_starts) == _MAX_FAILED_STARTS and seconds < _FAILURE_WINDOW
        if enough and not self.stopping:
            self._give_up(seconds)

    def _give_up(self, seconds: float) -> None:
        counts = collections.Counter(what for _, what in self._failed_starts)
        causes = ", ".join(f"{what} {count} times" for what, count in counts.items())
        log.critical(
            "giving up: %d processes ended right after their start, in %.1f s: %s",
            *(_MAX_FAILED_STARTS, seconds, causes),
        )
        self._exit_code = 1
        self._stop(signal.SIGTERM)
