"""A child process that ends with its whole group, and never later than this process."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

_HINTS: dict[int, str] = {signal.SIGKILL: ", as the kernel does when memory runs out"}


class WorkerProcess:
    """A process in a session of its own, connected by a socket.

    A thread starts it, sees it end, kills what it left behind, and only then frees its id. It is
    one thread because Linux ends a worker that asked to end with its parent when the *thread* that
    started it ends.

    Attributes:
        socket: this side's end of the connection; shut down once the process has ended.
        pid: the id of the process and of its group.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        on_end: Callable[[], None],
        *,
        folder: str = "",
    ) -> None:
        """Start the process that ``command`` names, given the descriptor of its socket.

        It starts in ``folder``, or in the current working directory.

        Raises:
            OSError, ValueError: there is no such program, or it cannot be run.
        """
        self._on_end = on_end
        self._folder = folder or None
        self._lock = threading.Lock()
        self._started = threading.Event()
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self.socket, theirs = socket.socketpair()
        threading.Thread(
            target=self._run, args=(command, theirs), name="fcplug-worker", daemon=True
        ).start()
        self._started.wait()
        if self._error:
            self.socket.close()
            raise self._error
        self.pid = self._popen.pid if self._popen else 0

    @property
    def alive(self) -> bool:
        """Tell whether the process runs, as of now."""
        return not self._ended.is_set() and not _is_dead(self.pid)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process; tell whether it has come."""
        return self._ended.wait(seconds)

    @property
    def killed(self) -> bool:
        """Tell whether a signal ended the process."""
        return self._popen is not None and (self._popen.returncode or 0) < 0

    @property
    def exit_reason(self) -> str:
        """How the process ended, in words."""
        code = self._popen.returncode if self._popen else None
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        return f"was killed by {name}{_HINTS.get(-code, '')}"

    def hang_up(self) -> None:
        """Let the process know that nothing more will be asked of it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the process, and close the socket, which no thread may be using any more."""
        self.kill()
        self.socket.close()

    def kill(self) -> None:
        """Kill the process and what it started, now."""
        with self._lock:
            if not self._ended.is_set():
                self._kill_group()

    def _run(self, command: Callable[[int], Sequence[str]], theirs: socket.socket) -> None:
        try:
            with theirs:  # this process must not hold the end whose closing it waits for
                popen = self._popen = subprocess.Popen(  # noqa: S603 - the configured interpreter
                    command(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    cwd=self._folder,
                    start_new_session=True,
                )
                self.pid = popen.pid
        except (OSError, ValueError) as error:
            self._error = error
            return
        finally:
            self._started.set()
        _wait_until_dead(popen.pid)
        with self._lock:
            self._kill_group()  # before its id is free to be another's
            popen.wait()
            self._ended.set()
        self.hang_up()  # whoever waits: a copy of the other end may live on in a fork of the worker
        self._on_end()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _wait_until_dead(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _is_dead(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return True
