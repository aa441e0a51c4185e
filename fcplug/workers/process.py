"""Run a child process that ends with its group and with this one."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

_HINTS: dict[int, str] = {signal.SIGKILL: ", as the kernel does when memory runs out"}


class WorkerProcess:
    """A process with its own session, connected by a socket.

    One thread starts the process, waits for its end, kills the rest of its group, and then reaps
    it. The thread must live as long as the process, because Linux sends the parent-death signal
    when the *thread* that started a child ends.

    Attributes:
        socket: this side of the connection; shut down when the process has ended.
        pid: the id of the process and of its group.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        on_end: Callable[[], None],
        *,
        folder: str = "",
    ) -> None:
        """Start the process; ``command`` returns its command line for a socket's descriptor.

        It starts in ``folder``, or in the current working directory. ``on_end`` is called on a
        thread of its own when the process has ended.

        Raises:
            OSError, ValueError: the program does not exist, or cannot be run.
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
        if self._error is not None:
            self.socket.close()
            raise self._error
        self.pid = self._popen.pid if self._popen else 0

    def wait(self, seconds: float) -> bool:
        """Wait until the process ends; return False if it did not end in time."""
        return self._ended.wait(seconds)

    @property
    def killed(self) -> bool:
        """Whether a signal ended the process."""
        return self._popen is not None and (self._popen.returncode or 0) < 0

    @property
    def exit_reason(self) -> str:
        """How the process ended, in words, for messages."""
        code = self._popen.returncode if self._popen else None
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        return f"was killed by {name}{_HINTS.get(-code, '')}"

    def hang_up(self) -> None:
        """Shut down the connection, so that the process exits by itself."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the process and close the socket.

        No other thread may be using the socket.
        """
        self.kill()
        self.socket.close()

    def kill(self) -> None:
        """Kill the process and its process group."""
        with self._lock:
            if not self._ended.is_set():
                self._kill_group()

    def _run(self, command: Callable[[int], Sequence[str]], theirs: socket.socket) -> None:
        try:
            with theirs:  # a copy here would keep the connection open after the child's end
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
            self._kill_group()  # before the id is reaped and can be reused
            popen.wait()
            self._ended.set()
        self.hang_up()  # wakes readers, even if a fork of the worker keeps the other end open
        self._on_end()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _wait_until_dead(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
