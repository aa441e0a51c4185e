"""Other programs that a build runs: nothing that they started outlives an interrupted build."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Done(NamedTuple):
    """How a program ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def run(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Done:
    """Run a program to its end, in a session of its own."""
    process = subprocess.Popen(  # noqa: S603 - no shell
        command,
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # all that it starts is ended with it
    )
    try:
        stdout, stderr = process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return Done(process.returncode, stdout, stderr)
