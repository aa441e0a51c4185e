"""One connection: what is left of it when its own machinery fails."""

import socket
import time
from collections.abc import Iterator

import pytest

from fcplug.server.channel import Channel
from fcplug.server.limits import Limits, Settings
from fcplug.server.loop import Server
from fcplug.server.task import AnswerTask
from served import app, express, read_answer, request


class BrokenTask(AnswerTask):
    """Fails before it can answer."""

    def __init__(self, channel: Channel, request: object) -> None:
        raise SystemExit(3)


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(app, sock, Settings(Limits(threads=1), sock), express=express)
        yield server
        server.close()


def turn_until_closed(server: Server, client: socket.socket) -> None:
    client.setblocking(False)
    for _ in range(200):
        server.turn(0.02)
        try:
            assert client.recv(1) == b""
        except BlockingIOError:
            continue
        return
    pytest.fail("the connection is still open")


def test_a_failing_task_closes_its_connection_and_keeps_its_thread(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Channel, "task_class", BrokenTask)
    for _ in range(3):
        with socket.create_connection(server.socket.getsockname(), timeout=5) as client:
            client.sendall(request("GET", "/"))
            turn_until_closed(server, client)
    assert [record.message for record in caplog.records] == ["a request broke its connection"] * 3
    monkeypatch.undo()
    with socket.create_connection(server.socket.getsockname(), timeout=5) as client:
        client.sendall(request("GET", "/"))
        for _ in range(20):
            server.turn(0.02)
        assert read_answer(client)[2] == b"hello"


def test_the_clocks_of_a_connection_stand_still_while_it_is_answered(server: Server) -> None:
    with socket.create_connection(server.socket.getsockname(), timeout=5) as client:
        client.sendall(request("GET", "/sleep?0.3"))
        for _ in range(5):
            server.turn(0.02)
        (channel,) = server.active_channels.values()
        later = time.time() + 10_000
        channel.check(time.monotonic() + 10_000, later, idle_timeout=1)
        assert not channel.will_close
        for _ in range(20):
            server.turn(0.02)
        assert read_answer(client)[2] == b"slept"
