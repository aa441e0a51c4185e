"""The command line as people use it: a process of its own, or one that has a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a command: of this process only the PATH and the measuring."""
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return {**unmeasured(), **coverage, **extra}


def unmeasured(**extra: str) -> dict[str, str]:
    """Return the environment of a command whose coverage is not measured.

    Measuring changes what a process does about SIGTERM, a full disk and a folder that is gone.
    """
    return {"PATH": os.environ["PATH"], **extra}


def run(
    *arguments: str,
    cwd: Path,
    stdin: bytes = b"",
    python: Path | str = sys.executable,
    **environ: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``fcplug`` with arguments; its output is bytes."""
    return subprocess.run(
        [str(python), "-m", "fcplug", *arguments],
        cwd=cwd, env=environment(**environ), input=stdin, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip


def run_script(script: str, env: Mapping[str, str] | None = None) -> str:
    """Run a script by another process of this Python, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(script)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_terminal(arguments: Sequence[str], cwd: Path, columns: int = 80, **extra: str) -> str:
    """Run ``fcplug`` in a terminal, and return what that shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", *arguments],
        cwd=cwd, env=environment(COLUMNS=str(columns), TERM="xterm", **extra),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the last process that had the terminal has ended
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(120)
    return shown.decode().replace("\r\n", "\n")
