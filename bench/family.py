"""A process and its descendants, read from ``/proc``: processor time, memory, and their end."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_IDLE_CHECKS = 10  # in a row, until a family counts as idle


def family(pid: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time of the whole family, user and system, ended ones included."""
    ticks = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICK


def processor_seconds(pid: int) -> float:
    """Return the processor time of one process with all its threads, to the microsecond.

    Linux numbers the clock of a process so; ``/proc`` counts in steps of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | 2)


def rss(pid: int) -> int:
    """Return the resident memory of the family in bytes; shared memory counts several times."""
    return sum(_kilobytes(Path(f"/proc/{each}/status"), "VmRSS:") for each in family(pid)) * 1024


def pss(pid: int) -> int:
    """Return the proportional memory of the family in bytes; shared memory counts once."""
    files = (Path(f"/proc/{each}/smaps_rollup") for each in family(pid))
    return sum(_kilobytes(file, "Pss:") for file in files) * 1024


def peak(pid: int) -> int:
    """Return the most resident memory of the family since ``reset_peak``, in bytes."""
    return sum(_kilobytes(Path(f"/proc/{each}/status"), "VmHWM:") for each in family(pid)) * 1024


def reset_peak(pid: int) -> None:
    """Reset the peak to the memory that is resident now."""
    for each in family(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{each}/clear_refs").write_text("5")


def wait_until_idle(pid: int, seconds: float = 120.0) -> None:
    """Wait until the family is idle: it has finished loading in the background.

    Processor time would not show this: on a busy machine a runnable process may get none.
    """
    until, idle = time.monotonic() + seconds, 0
    while idle < _IDLE_CHECKS and time.monotonic() < until:
        time.sleep(0.04)
        idle = idle + 1 if _is_idle(pid) else 0


def end(pids: list[int], session: int) -> None:
    """Kill the remaining processes of a family whose first process has ended, and no others."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def on_processors(processors: set[int]) -> Iterator[None]:
    """Start processes on these processors only; an empty set means all processors."""
    before = os.sched_getaffinity(0)
    try:
        if processors:
            os.sched_setaffinity(0, processors)
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(pid: int, processors: set[int]) -> None:
    """Move all threads of a running family to these processors."""
    for each in family(pid):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                os.sched_setaffinity(int(task.name), processors)


def _is_idle(pid: int) -> bool:
    """Return whether no thread of the family is running, runnable, or waiting for a disk."""
    for each in family(pid):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                state = (task / "stat").read_text().rpartition(")")[2].split()[0]
                if state in ("R", "D"):
                    return False
    return True


def _kilobytes(file: Path, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0
