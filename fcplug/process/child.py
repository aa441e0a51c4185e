"""Forking a child process, and what the parent does with it."""

import contextlib
import ctypes
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from fcplug.process import held_signals

log = logging.getLogger("fcplug.supervisor")

_PR_SET_PDEATHSIG = 1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None)


class Child:
    """A child process, as its parent sees it.

    Attributes:
        pid: its process id.
        mailbox: the number of the mailbox that its siblings write to.
        kill_at: when to kill it, on ``time.monotonic()``; set when it is asked to stop.
    """

    def __init__(self, pid: int, mailbox: int) -> None:
        self.pid = pid
        self.mailbox = mailbox
        self.kill_at = math.inf
        self._started = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the fork."""
        return time.monotonic() - self._started

    @property
    def resident(self) -> int:
        """Bytes of memory in use, including those shared with other processes."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except OSError:
            return 0  # it has ended, and will be reaped in a moment

    def send(self, number: int) -> None:
        """Send a signal. Until the child is reaped, no other process can have its pid."""
        os.kill(self.pid, number)


def fork(body: Callable[[], int], mailbox: int, mask: Iterable[int]) -> Child:
    """Start a process that runs ``body`` and exits with the code it returns.

    The child starts with the signals of ``mask`` blocked. SIGTERM, SIGINT and SIGHUP are held
    until ``body`` handles them (see ``held_signals``). The kernel kills it if its parent dies.

    Raises:
        OSError: the system cannot start another process.
    """
    _flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return Child(pid, mailbox)
    code = 1
    try:
        _set_up(parent, mask)
        code = body()
        _flush()
    except BaseException as error:
        log.critical("the process ends by an error of its own", exc_info=error)
    finally:
        os._exit(code)  # in every case: the caller's code must not run in the child


def reap() -> Iterator[tuple[int, int]]:
    """Yield pid and exit code of the child processes that have ended.

    Orphans of other processes are among them: the first process of a container inherits those.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def describe_exit(code: int) -> str:
    """Return an exit code in words: ``SIGSEGV`` or ``exit code 3``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # user code may have replaced the stream
            stream.flush()


def _set_up(parent: int, mask: Iterable[int]) -> None:
    os.setpgid(0, 0)  # Ctrl-C reaches only the parent, which passes it on once
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before prctl, so the kernel will not kill this process
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    held_signals.hold(discard=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
