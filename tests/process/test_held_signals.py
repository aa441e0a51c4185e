"""Signals that come while an instance starts."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start
from support.waiting import PATIENCE

SLOW = "import time\ntime.sleep(0.3)\ndef handler(event, context): return b'hi'\n"
REPEATS = 4  # each time at another moment of the start
REQUEST = b"POST /invoke HTTP/1.1\r\nHost: x\r\nx-fc-function-name: f\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def starting(folder: Path, runtime: str) -> Iterator[tuple[Instance, socket.socket]]:
    """Yield an instance whose port is open just now, and a client that has asked already."""
    functions = "functions: {f: {handler: slow.handler}}"
    config = f"version: 1\nruntime: {{{runtime}}}\n{functions}\n"
    deploy(folder, config, {"slow.py": SLOW})
    with (
        start(folder, loaded=False) as instance,
        socket.create_connection(("127.0.0.1", instance.port), PATIENCE) as sock,
    ):
        sock.sendall(REQUEST)
        yield instance, sock


@pytest.fixture(params=["supervise: false", "supervise: true", "processes: 2, preload: false"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_has_connected_since_the_port_was_open(
    tmp_path: Path, runtime: str, number: signal.Signals
) -> None:
    for turn in range(REPEATS):
        with starting(tmp_path / str(turn), runtime) as (instance, sock):
            time.sleep(turn * 0.1)
            assert instance.stop(number) == 0, instance.log
            answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200"), (turn, answer)
        assert answer.endswith(b"hi")


def test_a_hang_up_while_it_starts_ends_nothing(tmp_path: Path, runtime: str) -> None:
    for turn in range(REPEATS):
        with starting(tmp_path / str(turn), runtime) as (instance, sock):
            for _ in range(5):
                instance.process.send_signal(signal.SIGHUP)
                time.sleep(turn * 0.02)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200"), instance.log
            assert instance.stop() == 0


def test_a_hang_up_while_it_starts_has_edits_taken_over_later(tmp_path: Path, runtime: str) -> None:
    with starting(tmp_path, runtime) as (instance, _):
        file = tmp_path / "config" / "functions.yaml"
        aside = file.with_suffix(".new")
        aside.write_text(file.read_text("utf-8").replace("f: {", "g: {"), "utf-8")
        os.utime(aside, (1, 1))  # as one that was written long ago
        aside.replace(file)
        instance.process.send_signal(signal.SIGHUP)
        instance.wait_for("the configuration is reloaded")


def test_a_second_stop_while_it_starts_ends_it_at_once(tmp_path: Path, runtime: str) -> None:
    with starting(tmp_path, runtime) as (instance, _):
        instance.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        # the kernel does not keep the order of two signals that are pending at the same time
        codes = {0, 128 + signal.SIGTERM, 128 + signal.SIGINT}
        assert instance.stop(signal.SIGINT) in codes
