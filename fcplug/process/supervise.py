"""From a listening socket to the exit code of all who served it."""

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

_STOP_MARGIN = 1.0  # seconds that a parent has for its children's end on top of their own time
_THREAD_END = 0.2  # seconds for threads that have done their work to be gone
_HARMLESS = ("/dev/null", "/dev/random", "/dev/urandom")


def supervise(  # noqa: PLR0913 - all that a supervisor is told, and most of it by name
    serve: Callable[[Siblings], int],
    sock: socket,
    *,
    processes: int,
    stop_timeout: float,
    memory_watermark: int | None = None,
    preload: Callable[[], None] | None = None,
) -> int:
    """Have ``serve`` run in processes that are replaced when they die, until told to stop.

    SIGTERM or SIGINT stops them all by SIGTERM, a second one kills them; SIGHUP is passed on. The
    socket is open as long as a process serves or will, so that no connection is refused. A process
    whose parent is gone is killed by the kernel (Linux only).

    Args:
        serve: runs in each process, handles SIGTERM, returns the process's exit code. Signals that
            come before it handles them are held.
        sock: the socket that they all listen on; closed here when they are told to stop.
        processes: how many serve.
        stop_timeout: from SIGTERM until a process that has not ended is killed.
        memory_watermark: resident bytes above which a process is replaced by a new one, and
            drained once that one serves.
        preload: run once, before the processes are forked: they share its memory and start
            sooner. It runs in a process of its own, so that it may crash, and is done without
            when it leaves behind what a fork breaks: threads and open descriptors.

    Returns:
        0 when all that were told to stop ended with 0, else 1; 1 also when 10 processes died
        within a second of their start, in a minute; 128 and its number after a second signal.

    Raises:
        RuntimeError: this is not the main thread, or not the only one.
    """
    team = Supervisor(
        serve,
        sock,
        processes=processes,
        stop_timeout=stop_timeout,
        memory_watermark=memory_watermark,
    )
    if preload is None:
        return team.run()
    loaded = mmap.mmap(-1, 1)  # shared with the process that loads

    def lead(siblings: Siblings) -> int:
        if _load(preload):
            loaded[0] = 1
            return team.run()
        held = held_signals.current()
        if held and held.stop is not None:  # nobody else will answer what has connected
            return serve(siblings)
        return 0

    leader = Supervisor(
        lead, sock, processes=1, stop_timeout=stop_timeout + _STOP_MARGIN, restarts=False
    )
    code = leader.run()
    if loaded[0] or leader.stopping:
        return code
    log.warning("each process loads the plugins itself; `preload: false` saves the attempt")
    return team.run()


def _load(preload: Callable[[], None]) -> bool:
    """Load; tell whether the process can be forked afterwards."""
    before = _descriptors()
    preload()
    left = _left_behind(before)
    if left:
        log.warning("the plugins, once imported, hold what no fork may copy: %s", ", ".join(left))
        return False
    gc.collect()
    gc.freeze()  # a collection would write to, and so copy, every page that holds an object
    return True


def _left_behind(before: dict[str, str]) -> list[str]:
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
        with contextlib.suppress(FileNotFoundError):  # the one that lists the others
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found
