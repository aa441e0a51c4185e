"""A log whose pipe is full because it is not read, in each isolation."""

import array
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support.deployed import PATIENCE, Answer, Instance, deploy, free_port
from support.waiting import wait_until

CONFIG = """
version: 1
runtime: {{drain_timeout: 5, {runtime}}}
defaults: {{{defaults}}}
functions: {{fine: {{handler: functions.fine}}}}
"""
FUNCTIONS = """
def fine(event, context):
    print("printed by a handler " * 40)
    return "fine"
"""
WHOLE = re.compile(r"F|fcplug|  fine|try:|(printed by a handler ){40}$|20\d\d-")
MODES = {
    "threads": ("threads: 8", ""),
    "workers": ("threads: 8", "isolation: process, workers: 2"),
    "processes": ("processes: 2", ""),
}


class Unread(Instance):
    """An instance whose standard output is a small pipe that the test reads, or does not."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path, port: int) -> None:
        super().__init__(process, errors)
        assert process.stdout is not None
        self.reader = process.stdout.fileno()
        self.port = port

    def is_healthy(self) -> bool:
        """Return whether it answers health checks."""
        with contextlib.suppress(AssertionError):
            return self.call("GET", "/health").status == 200
        return False

    def is_stuck(self) -> bool:
        """Return whether the pipe is nearly full and gets nothing more."""
        before = self._held
        time.sleep(1)
        return before == self._held > 8192

    @property
    def _held(self) -> int:
        size = array.array("i", [0])
        fcntl.ioctl(self.reader, termios.FIONREAD, size)
        return size[0]

    def read(self) -> str:
        """Read what the pipe holds."""
        os.set_blocking(self.reader, False)
        text = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 16):
                text += data
        return text.decode()


@contextlib.contextmanager
def unread(folder: Path, mode: str, **runtime: str) -> Iterator[Unread]:
    """Start an instance with an unread log, and end it afterwards."""
    server, defaults = MODES[mode]
    keys = ", ".join([server, *(f"{key}: {value}" for key, value in runtime.items())])
    config = CONFIG.format(runtime=keys, defaults=defaults)
    code = deploy(folder, config, {"functions.py": FUNCTIONS})
    errors, port = folder / "errors", free_port()
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=code,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    instance = Unread(process, errors, port)
    fcntl.fcntl(instance.reader, fcntl.F_SETPIPE_SZ, 16384)
    try:
        wait_until(instance.is_healthy)
        yield instance
    finally:
        process.kill()
        process.communicate()


def call(instance: Unread, count: int, pool: ThreadPoolExecutor) -> "list[Future[Answer]]":
    """Begin calls, of which each says 1 KiB."""
    return [
        pool.submit(instance.invoke, "fine", x_fc_request_id=f"1-{number}")
        for number in range(count)
    ]


@pytest.mark.parametrize("mode", MODES)
def test_an_unread_log_blocks_calls_but_neither_health_checks_nor_the_stop(
    mode: str, tmp_path: Path
) -> None:
    with unread(tmp_path, mode) as instance, ThreadPoolExecutor(6) as pool:
        calls = call(instance, 40, pool)
        wait_until(instance.is_stuck)
        assert not all(each.done() for each in calls)
        for _ in range(20):
            assert instance.call("GET", "/health").status == 200
        waiting = [each for each in calls if each.running()]
        for each in calls:
            each.cancel()
        assert instance.stop(signal.SIGTERM) == 1
        if mode != "workers":  # what a worker prints it waits with, until it is ended
            assert {each.result().status for each in waiting} == {200}
        assert re.search(r"lines of the log dropped: \d+", instance.log)


@pytest.mark.parametrize("mode", MODES)
def test_lines_wait_until_the_log_is_read_and_none_is_lost(mode: str, tmp_path: Path) -> None:
    with unread(tmp_path, mode) as instance, ThreadPoolExecutor(6) as pool:
        calls = call(instance, 60, pool)
        text = ""

        def read_all() -> bool:
            nonlocal text
            text += instance.read()
            return all(each.done() for each in calls)

        wait_until(read_all)
        text += instance.read()
        assert {each.result().status for each in calls} == {200}
        for number in range(60):
            assert f"FC Invoke Start RequestId: 1-{number}\n" in text
            assert f"FC Invoke End RequestId: 1-{number}\n" in text
        assert len(re.findall("^(printed by a handler ){40}$", text, re.MULTILINE)) == 60
        assert instance.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_lines_that_may_be_dropped_hold_up_nothing_and_are_counted(
    mode: str, tmp_path: Path
) -> None:
    with unread(tmp_path, mode, log_blocked="drop") as instance, ThreadPoolExecutor(6) as pool:
        calls = call(instance, 100, pool)
        assert {each.result(PATIENCE).status for each in calls} == {200}
        before = instance.read()
        assert before.count("FC Invoke End") < 100
        text = ""

        def counted() -> bool:
            nonlocal text
            instance.invoke("fine")
            text += instance.read()
            return re.search(r"\[WARNING\] lines of the log dropped: \d+", text) is not None

        wait_until(counted)
        for line in before.splitlines()[:-1] + text.splitlines()[1:]:
            assert WHOLE.match(line), line


def test_a_pipe_that_is_full_from_the_start_holds_up_neither_the_start_nor_the_stop(
    tmp_path: Path,
) -> None:
    code = deploy(tmp_path, CONFIG.format(runtime="threads: 2", defaults=""), {"functions.py": ""})
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "serve", "--host", "127.0.0.1", "--port", str(port)],
        cwd=code,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    instance = Instance(process, tmp_path / "none")
    instance.port = port

    def healthy() -> bool:
        with contextlib.suppress(Exception):
            return instance.call("GET", "/health").status == 200
        return False

    try:
        wait_until(healthy)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1
    finally:
        process.kill()
        process.communicate()
        os.close(reader)
        os.close(writer)
