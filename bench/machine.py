"""The machine that the figures were measured on."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Processors:
    """The processors that servers and their clients run on."""

    server: set[int]
    client: set[int]
    all: set[int]

    @property
    def apart(self) -> bool:
        """Return whether client and server have a processor each."""
        return not self.server & self.client


def processors() -> Processors:
    """Return one processor for the server and another for the client, if there are two."""
    mine = sorted(os.sched_getaffinity(0))
    return Processors({mine[0]}, {mine[-1]}, set(mine))


def describe() -> dict[str, str]:
    """Return the facts of this machine that figures depend on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} usable",
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "placed": "servers and clients on separate processors"
        if processors().apart
        else "servers and clients share one processor",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def commit(root: Path) -> str:
    """Return the measured commit, with '+' if the tree differs from it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
