"""A forked process, seen from its parent, and its first steps."""

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
    """A child process; ``mailbox`` is the number under which its siblings reach it."""

    def __init__(self, pid: int, mailbox: int) -> None:
        self.pid = pid
        self.mailbox = mailbox
        self.kill_at = math.inf  # when it is killed, once it was told to stop
        self._started = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the fork."""
        return time.monotonic() - self._started

    @property
    def resident(self) -> int:
        """Bytes of memory in use, those shared with other processes included."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except OSError:
            return 0  # gone, and reaped in a moment

    def send(self, number: int) -> None:
        """Send a signal; the process is not reaped, so the pid is nobody else's."""
        os.kill(self.pid, number)


def fork(body: Callable[[], int], mailbox: int, mask: Iterable[int]) -> Child:
    """Start a process that runs ``body`` and ends with the code it returns.

    The process starts with the signals of ``mask`` blocked. SIGTERM, SIGINT and SIGHUP are held
    until ``body`` handles them (``held_signals``). It does not outlive its parent.

    Raises:
        OSError: the system has no room for a process.
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
        os._exit(code)  # whatever happened: this is not the parent


def reap() -> Iterator[tuple[int, int]]:
    """Yield pid and exit code of the children that have ended, strangers included.

    As the first process of a container it is us who must reap what others left behind.
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
        with contextlib.suppress(Exception):  # a plugin may have put anything there
            stream.flush()


def _set_up(parent: int, mask: Iterable[int]) -> None:
    os.setpgid(0, 0)  # Ctrl-C reaches the parent alone, which passes it on once
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before it could be bound to us
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    held_signals.hold(discard=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
