"""The processes of an instance: its first one and those that this started, from ``/proc``.

Without ``/proc`` (macOS) there is only the first process, and memory is 0.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """A process. ``started`` tells it from a later process with the same number."""

    pid: int
    started: str


def tree(pid: int) -> list[Process]:
    """Return a process and all its descendants, parents first."""
    found: list[Process] = []
    todo = [pid]
    while todo:
        number = todo.pop()
        found.append(Process(number, _started(number)))
        todo.extend(_children(number))
    return found


def send(processes: Iterable[Process], signal: int) -> None:
    """Send a signal to those of the processes that still run."""
    for process in processes:
        if _started(process.pid) == process.started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal)


def send_group(group: int, signal: int) -> None:
    """Send a signal to a process group, if it still has a process."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal)


def peak_memory(processes: Iterable[Process]) -> float:
    """Return the peak of the resident memory of each process, added up, in MB."""
    return sum(_peak(process.pid) for process in processes) / 1024


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = (_PROC / str(pid) / "status").read_bytes()
        return int(status.split(b"VmHWM:", 1)[1].split(None, 1)[0])
    return 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                found.extend(map(int, (thread / "children").read_bytes().split()))
    return found


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since the boot; empty if it has ended."""
    with contextlib.suppress(OSError, IndexError):
        status = (_PROC / str(pid) / "stat").read_bytes()
        return status.rpartition(b")")[2].split()[19].decode()
    return ""
