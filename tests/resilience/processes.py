"""What the kernel knows of a process that was started here, and limits set for it."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from support.supervised import children

MIB = 1 << 20


def rss(pid: int) -> int:
    """Return the resident memory in bytes."""
    return int(_text(pid, "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(pid: int) -> int:
    """Return the largest resident memory, in bytes, since the start or ``forget_peak``."""
    return _status(pid, "VmHWM") * 1024


def forget_peak(pid: int) -> None:
    """Count the largest resident memory from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def fds(pid: int) -> int:
    """Return how many descriptors are open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    """Return how many threads run."""
    return _status(pid, "Threads")


def cpu(pid: int) -> float:
    """Return the seconds of processor used."""
    user, system = _text(pid, "stat").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Return the children of all threads of a process, and theirs."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            text = Path(f"/proc/{pid}/task/{task}/children").read_text("ascii")
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    for child in list(found):
        found += children(child)
    return found


def limit_files(pid: int, number: int) -> None:
    """Let a running process open only so many files from now on."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, hard))


def limit_file_size(pid: int, size: int) -> None:
    """Let a running process write no file beyond so many bytes: a disk that is full."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def wait_at_most(seconds: float, claim: Callable[[], object]) -> bool:
    """Wait until a condition holds; return whether it does."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _status(pid: int, key: str) -> int:
    line = next(line for line in _text(pid, "status").splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1])


def _text(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text("ascii", "replace")
