"""One connection: when our own code fails, and its clocks."""

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.channel import ClientChannel
from fcplug.server.waitress.loop import Server
from fcplug.server.waitress.parser import RequestParser
from fcplug.server.waitress.task import AnswerTask
from support.served import app, express, read_answer, request
from support.waiting import PATIENCE


class BrokenTask(AnswerTask):
    """Fails before it can answer."""

    def __init__(self, channel: ClientChannel, request: object) -> None:
        raise SystemExit(3)


class BrokenParser(RequestParser):
    """Fails to take bytes, and to end."""

    def received(self, data: bytes) -> int:
        raise RuntimeError("cannot parse")

    def close(self) -> None:
        raise RuntimeError("cannot end")


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(app, sock, WaitressSettings(Limits(threads=1), sock), express=express)
        yield server
        server.close()


def turn_until_closed(server: Server, client: socket.socket) -> None:
    turn_until_readable(server, client)
    assert client.recv(1) == b""


def turn_until_readable(server: Server, client: socket.socket) -> None:
    until = time.monotonic() + PATIENCE
    while not select.select([client], [], [], 0)[0]:
        assert time.monotonic() < until, "nothing has come"
        server.turn(0.02)


def test_a_failing_task_closes_its_connection_and_keeps_its_thread(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ClientChannel, "task_class", BrokenTask)
    for _ in range(3):
        with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
            client.sendall(request("GET", "/"))
            turn_until_closed(server, client)
    assert [record.message for record in caplog.records] == ["a request broke its connection"] * 3
    monkeypatch.undo()
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(request("GET", "/"))
        turn_until_readable(server, client)
        assert read_answer(client)[2] == b"hello"


def test_an_error_while_a_connection_is_read_and_closed_ends_that_connection_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as other:
        other.sendall(request("GET", "/"))
        turn_until_readable(server, other)
        read_answer(other)
        monkeypatch.setattr(ClientChannel, "parser_class", BrokenParser)
        for _ in range(3):
            with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
                client.sendall(request("GET", "/"))
                turn_until_closed(server, client)
        monkeypatch.undo()
        said = ["a connection broke", "closing a connection failed"]
        assert [record.message for record in caplog.records] == said * 3
        other.sendall(request("GET", "/"))
        turn_until_readable(server, other)
        assert read_answer(other)[2] == b"hello"


def test_the_clocks_of_a_connection_stand_still_while_it_is_answered(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(request("GET", f"/wait?{gate}"))
        while not (tmp_path / "gate.in").exists():
            server.turn(0.02)
        (channel,) = server.active_channels.values()
        later = time.time() + 10_000
        channel.check(time.monotonic() + 10_000, later, idle_timeout=1)
        assert not channel.will_close
        gate.touch()
        turn_until_readable(server, client)
        assert read_answer(client)[2] == b"waited"


def test_an_idle_connection_is_kept_for_longer_than_the_platform_keeps_it(server: Server) -> None:
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(request("GET", "/"))
        turn_until_readable(server, client)
        read_answer(client)
        (channel,) = server.active_channels.values()
        now, now_wall = time.monotonic(), time.time()
        for later in range(901):
            channel.check(now + later, now_wall + later, Limits().idle_timeout)
            assert not channel.will_close
        client.sendall(request("GET", "/"))
        turn_until_readable(server, client)
        assert read_answer(client)[2] == b"hello"
