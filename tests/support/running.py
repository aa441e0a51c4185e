"""A running ``fcplug dev``, and the commands that find it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from support import commands
from support.deployed import PATIENCE


class Platform:
    """A running ``fcplug dev`` and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = 0

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if match := re.search(pattern, self.output):
                return match
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} in:\n{self.output}")

    def invoke(
        self, function: str, event: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        path = f"/2023-03-30/functions/{function}/invocations"
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("POST", path, event, dict(headers or {}))
            return connection.getresponse().read()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def dev(folder: Path, *arguments: str, **environ: str) -> Iterator[Platform]:
    log = folder / "dev.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "dev", "--port", "0", *arguments],
            cwd=folder,
            env=commands.environment(TMPDIR=str(temporary(folder)), **environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    platform = Platform(process, log)
    try:
        platform.port = int(platform.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        yield platform
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def temporary(folder: Path) -> Path:
    """Return the folder for temporary files of a project's commands."""
    found = folder.parent / f"{folder.name}-tmp"
    found.mkdir(exist_ok=True)
    return found


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = commands.run(*arguments, cwd=folder, TMPDIR=str(temporary(folder)))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def signal_another_thread(pid: int) -> None:
    """Send SIGTERM to a process so that its main thread is not the one that gets it."""
    threads = {int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()}
    os.kill(min(threads - {pid}), signal.SIGTERM)
