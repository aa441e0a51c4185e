"""From a listening socket to the exit code of the processes that served it."""

import contextlib
import gc
import logging
import mmap
import os
import threading
import time
from collections.abc import Callable
from socket import socket

from fcplug.process import held_signals
from fcplug.process.siblings import Siblings
from fcplug.process.supervisor import Supervisor

log = logging.getLogger("fcplug.supervisor")

_STOP_MARGIN = 1.0  # seconds that the leader has after its children's stop_timeout
_THREAD_END = 0.2  # seconds for threads that have finished to disappear
_HARMLESS = ("/dev/null", "/dev/random", "/dev/urandom")


def supervise(  # noqa: PLR0913 - most of them by name
    serve: Callable[[Siblings], int],
    sock: socket,
    *,
    processes: int,
    stop_timeout: float,
    memory_watermark: int | None = None,
    preload: Callable[[], None] | None = None,
) -> int:
    """Run ``serve`` in processes, and replace those that exit, until a stop signal.

    SIGTERM or SIGINT sends SIGTERM to all of them, a second one kills them; SIGHUP is passed on.
    No connection is refused before. On Linux the kernel kills a process whose parent died.

    Args:
        serve: runs in each process, handles SIGTERM, returns the exit code. Signals that arrive
            before it handles them are held.
        sock: the listening socket that they share; closed here at the stop.
        processes: how many run.
        stop_timeout: seconds from SIGTERM until a process that still runs is killed.
        memory_watermark: resident bytes; a process that uses more is replaced.
        preload: called once before the fork, so that the processes share its memory and start
            faster. It runs in a process of its own, which may crash. If it leaves threads or open
            descriptors, which break a fork, the processes start without it.

    Returns:
        0 if all processes exited with 0 after the stop, else 1; 1 also if 10 processes exited
        within a second of their start, in a minute; 128 + its number after a second signal.

    Raises:
        RuntimeError: this is not the main thread, or not the only one.
    """
    supervisor = Supervisor(
        serve,
        sock,
        processes=processes,
        stop_timeout=stop_timeout,
        memory_watermark=memory_watermark,
    )
    return supervisor.run() if preload is None else _Leader(supervisor, serve, preload).run(sock)


class _Leader:
    """A process that preloads, then supervises the processes that it forks.

    ::

        this process ─ forks ─▶ the leader: preload() ─┬─ can be forked ─▶ runs the supervisor
                                                       └─ cannot, or crashed ─▶ exits
        ... and if the leader did not preload: this process runs the supervisor
    """

    def __init__(
        self,
        supervisor: Supervisor,
        serve: Callable[[Siblings], int],
        preload: Callable[[], None],
    ) -> None:
        self._supervisor = supervisor
        self._serve = serve
        self._preload = preload
        self._loaded = mmap.mmap(-1, 1)  # shared by this process and the leader

    def run(self, sock: socket) -> int:
        """Run it in a child process; return the exit code."""
        stop_timeout = self._supervisor.stop_timeout + _STOP_MARGIN
        parent = Supervisor(
            self._lead, sock, processes=1, stop_timeout=stop_timeout, restarts=False
        )
        code = parent.run()
        if self._loaded[0] or parent.stopping:
            return code
        log.warning("each process loads the plugins itself; `preload: false` saves the attempt")
        return self._supervisor.run()

    def _lead(self, siblings: Siblings) -> int:
        if _load(self._preload):
            self._loaded[0] = 1
            return self._supervisor.run()
        held = held_signals.current()
        if held and held.stop is not None:  # no other process will answer the open connections
            return self._serve(siblings)
        return 0


def _load(preload: Callable[[], None]) -> bool:
    """Preload; return whether the process can be forked afterwards."""
    before = _descriptors()
    preload()
    left = _left_behind(before)
    if left:
        log.warning("the imported plugins hold what a fork must not copy: %s", ", ".join(left))
        return False
    gc.collect()
    gc.freeze()  # else a collection writes to every page with an object, and so copies it
    return True


def _left_behind(before: dict[str, str]) -> list[str]:
    """Return the threads and descriptors that did not exist before, in words."""
    until = time.monotonic() + _THREAD_END
    while _threads() > 1 and time.monotonic() < until:
        time.sleep(0.01)
    named = [f"thread {thread.name!r}" for thread in threading.enumerate()]
    named.remove(f"thread {threading.current_thread().name!r}")
    native = _threads() - 1 - len(named)
    left = named + ([f"{native} threads outside Python"] if native > 0 else [])
    return left + [
        f"descriptor {fd} ({target})"
        for fd, target in _descriptors().items()
        if before.get(fd) != target and target not in _HARMLESS
    ]


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor that listdir itself used
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found
