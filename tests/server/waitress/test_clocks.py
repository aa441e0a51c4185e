"""Deadlines, idle clocks and what happens to them when the instance is frozen."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.served import read_answer, request, served
from support.waiting import wait_until


@contextmanager
def trickling(sock: socket.socket, data: bytes, pause: float = 0.1) -> Iterator[None]:
    """Send one byte at a time in another thread."""
    enough = threading.Event()

    def trickle() -> None:
        with suppress(ConnectionError):  # the server may have closed it by then
            for at in range(len(data)):
                sock.sendall(data[at : at + 1])
                if enough.wait(pause):
                    return

    thread = threading.Thread(target=trickle)
    thread.start()
    yield
    enough.set()
    thread.join()


def test_a_head_that_comes_too_slowly_is_refused_however_steadily(tmp_path: Path) -> None:
    with served(tmp_path, header_timeout=1) as server, server.connect() as sock:
        started = time.monotonic()
        with trickling(sock, b"GET / HTTP/1.1\r\n" + b"X" * 99):
            status, fields, _ = read_answer(sock)
        assert (status, fields["connection"]) == (408, "close")
        assert time.monotonic() - started > 0.9
        assert sock.recv(1) == b""


def test_a_body_at_the_required_rate_may_take_long(tmp_path: Path) -> None:
    with (
        served(tmp_path, body_timeout=1, min_body_rate=100) as server,
        server.connect() as sock,
    ):
        body = b"x" * 4000
        sock.sendall(request("POST", "/echo", body)[: -len(body)])
        for _ in range(4):  # 1.6 s in all: each piece buys another 10 s
            sock.sendall(body[:1000])
            time.sleep(0.4)
        assert read_answer(sock)[2] == body


def test_a_body_below_the_required_rate_is_refused(tmp_path: Path) -> None:
    with (
        served(tmp_path, body_timeout=1, min_body_rate=1000) as server,
        server.connect() as sock,
    ):
        sock.sendall(request("POST", "/echo", b"x" * 99)[:-99])
        with trickling(sock, b"x" * 98):
            assert read_answer(sock)[0] == 408


def test_a_request_behind_a_long_one_is_not_late(tmp_path: Path) -> None:
    with served(tmp_path, header_timeout=3, body_timeout=3) as server, server.connect() as sock:
        second = request("POST", "/echo", b"event")
        sock.sendall(request("GET", "/sleep?4") + second[:30])
        assert read_answer(sock)[2] == b"slept"
        sock.sendall(second[30:])
        assert read_answer(sock)[2] == b"event"


def test_slow_clients_do_not_keep_others_out(tmp_path: Path) -> None:
    with served(tmp_path, header_timeout=1, connection_limit=20) as server:
        started = time.monotonic()
        attackers = [server.connect() for _ in range(40)]
        for sock in attackers:
            sock.sendall(b"GET / HTTP/1.1\r\n")
        assert server.get("/health").endswith(b"fine")  # 3 waves at most, each over in 2 s
        assert server.log.count("the limit") <= 2 + time.monotonic() - started
        for sock in attackers:
            sock.close()


@pytest.mark.slow
def test_silent_connections_give_way_at_the_limit_and_only_there(tmp_path: Path) -> None:
    with served(tmp_path, header_timeout=1, connection_limit=5) as server:
        silent = [server.connect() for _ in range(4)]
        time.sleep(2.5)
        for sock in silent:
            sock.sendall(request("GET", "/"))
            assert read_answer(sock)[0] == 200
        silent.append(server.connect())
        assert server.get("/health").endswith(b"fine")
        for sock in silent:
            sock.close()


def test_an_idle_connection_is_closed_after_its_time(tmp_path: Path) -> None:
    with served(tmp_path, idle_timeout=1) as server, server.connect() as sock:
        started = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - started > 0.9


def test_a_frozen_time_counts_for_no_connection(tmp_path: Path) -> None:
    with served(tmp_path, idle_timeout=4, header_timeout=4, body_timeout=4) as server:
        idle, begun = server.connect(), server.connect()
        upload = server.connect()
        idle.sendall(request("GET", "/"))
        read_answer(idle)
        begun.sendall(request("GET", "/")[:9])
        upload.sendall(request("POST", "/echo", b"event")[:-2])
        time.sleep(1.1)  # the clocks run
        server.signal(signal.SIGSTOP)
        time.sleep(4.1)
        server.signal(signal.SIGCONT)
        time.sleep(0.1)
        idle.sendall(request("GET", "/"))
        begun.sendall(request("GET", "/")[9:])
        upload.sendall(b"nt")
        assert [read_answer(sock)[0] for sock in (idle, begun, upload)] == [200] * 3
        for sock in (idle, begun, upload):
            sock.close()


def test_without_descriptors_accepting_pauses_quietly_and_comes_back(tmp_path: Path) -> None:
    with served(tmp_path, fds=32) as server:
        socks = [server.connect() for _ in range(60)]
        wait_until(lambda: "accepting connections pauses: Too many open files" in server.log)
        before, log, started = server.cpu(), len(server.log), time.monotonic()
        time.sleep(1)
        assert server.cpu() - before < 0.3  # of a second, and more: a loop would use it up
        assert server.log[log:].count("\n") <= 2 + time.monotonic() - started
        for sock in socks:
            sock.close()
        assert server.get("/health").endswith(b"fine")


def test_more_than_1024_connections_are_fine(tmp_path: Path) -> None:
    with served(tmp_path, fds=2000, connection_limit=1500) as server:
        socks = [server.connect() for _ in range(1100)]
        socks[-1].sendall(request("GET", "/"))
        assert read_answer(socks[-1])[0] == 200
        for sock in socks:
            sock.close()
