"""What clients see while answers are quick, and when one suddenly is slow."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.served import BLOB, Served, read_answer, request, served
from support.waiting import wait_until

PATIENCE = 30.0
MANY = 200  # requests after which answers count as quick


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, threads=2) as server:
        yield server


@pytest.fixture
def client(server: Served) -> Iterator[socket.socket]:
    with server.connect(PATIENCE) as client:
        yield client


def ask(client: socket.socket, path: str = "/") -> bytes:
    client.sendall(request("GET", path))
    return read_answer(client)[2]


def ask_often(client: socket.socket) -> None:
    for _ in range(MANY):
        assert ask(client) == b"hello"


def test_an_answer_that_takes_its_time_holds_up_no_other(
    server: Served, client: socket.socket
) -> None:
    with server.connect(PATIENCE) as held:
        for turn in range(5):
            ask_often(client)
            held.sendall(request("GET", f"/hold?{turn}"))
            ask_often(client)
            assert ask(client, f"/release?{turn}") == b"released"
            assert read_answer(held)[2] == b"True"


def test_health_checks_are_answered_while_every_thread_is_held(
    server: Served, client: socket.socket
) -> None:
    ask_often(client)
    with server.connect(PATIENCE) as first, server.connect(PATIENCE) as second:
        for held in (first, second):
            held.sendall(request("GET", "/sleep?3"))
        for _ in range(20):
            assert server.get("/health", timeout=PATIENCE).endswith(b"fine")
        assert read_answer(first)[2] == read_answer(second)[2] == b"slept"


def test_the_loop_rests_while_every_thread_is_held_and_requests_wait_in_line(
    server: Served, client: socket.socket
) -> None:
    ask_often(client)
    clients = [server.connect(PATIENCE) for _ in range(4)]
    for held in clients:
        held.sendall(request("GET", "/sleep?2"))
    before = server.cpu()
    assert read_answer(clients[0])[2] == b"slept"
    assert server.cpu() - before < 1  # a loop that does not rest uses 2 seconds
    for held in clients:
        held.close()


def test_requests_pipelined_behind_a_held_one_are_answered_after_it(
    server: Served, client: socket.socket
) -> None:
    ask_often(client)
    with server.connect(PATIENCE) as held:
        echoes = [request("POST", "/echo", b"%d" % number) for number in range(50)]
        held.sendall(request("GET", "/hold?all") + b"".join(echoes))
        ask_often(client)
        ask(client, "/release?all")
        assert read_all_of(held, 51) == [b"True", *(b"%d" % number for number in range(50))]


def read_all_of(sock: socket.socket, count: int) -> list[bytes]:
    """Return the bodies of answers that may come together."""
    data = b""
    bodies: list[bytes] = []
    while len(bodies) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            bodies.append(rest[:length])
            data = rest[length:]
        else:
            part = sock.recv(1 << 16)
            assert part
            data += part
    return bodies


def test_a_large_answer_to_a_client_that_does_not_read_holds_up_no_other(
    server: Served, client: socket.socket
) -> None:
    ask_often(client)
    with server.connect(PATIENCE) as slow:
        slow.sendall(request("GET", "/big?40"))
        ask_often(client)
        assert read_answer(slow)[2] == BLOB * 40
    ask_often(client)


def test_a_client_that_leaves_while_its_request_is_held_costs_nothing(
    server: Served, client: socket.socket
) -> None:
    ask_often(client)
    before = server.fds()
    for turn in range(3):
        with server.connect(PATIENCE) as gone:
            gone.sendall(request("GET", f"/hold?gone{turn}"))
            ask_often(client)
        ask_often(client)
        ask(client, f"/release?gone{turn}")
    ask_often(client)
    wait_until(lambda: server.fds() <= before, PATIENCE)


def test_requests_at_once_are_all_answered(server: Served) -> None:
    clients = [server.connect(PATIENCE) for _ in range(50)]
    for turn in range(100):
        for number, client in enumerate(clients):
            client.sendall(request("POST", "/echo", b"%d" % (number * turn)))
        for number, client in enumerate(clients):
            assert read_answer(client)[2] == b"%d" % (number * turn)
    for client in clients:
        client.close()


def test_a_stop_while_quick_answers_go_on_loses_none(server: Served, client: socket.socket) -> None:
    ask_often(client)
    with server.connect(PATIENCE) as held:
        held.sendall(request("GET", "/sleep?1"))
        ask_often(client)
        server.signal()
        assert read_answer(held)[2] == b"slept"
        assert held.recv(1) == b""
    assert server.wait(PATIENCE) == 0
