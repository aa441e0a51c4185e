"""Clients that send requests and do not read, or read slowly: no other client waits for them."""

import fcntl
import gc
import itertools
import os
import socket
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.loop import Server
from support.served import BLOB, Served, app, express, read_all, read_answer, request, served
from support.waiting import PATIENCE, wait_until

KIB = 1024
MIB = 1024 * KIB
HIGH_WATER = 16 * MIB  # bytes that wait to be sent, above which a thread that writes waits
PIPELINED = 2000  # health checks, all read at once


def kernels_share(server: Served) -> int:
    """Return how many bytes the kernel holds for a client that reads nothing."""

    def held() -> int:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
        queue = next(line[4] for line in lines if line[1].endswith(here) and line[2] == there)
        (received,) = struct.unpack("i", fcntl.ioctl(unread, termios.FIONREAD, bytes(4)))
        return int(queue.partition(":")[0], 16) + int(received)

    with server.connect() as unread:
        here, there = f":{server.port:04X}", f"0100007F:{unread.getsockname()[1]:04X}"
        unread.sendall(request("GET", "/big?40"))
        seen = [-1, 0]
        while seen[-1] != seen[-2] or not seen[-1]:
            time.sleep(0.2)
            seen.append(held())
        return seen[-1]


def test_a_client_that_pipelines_and_reads_nothing_holds_up_no_health_check(
    tmp_path: Path,
) -> None:
    """The large answer leaves the buffer below its mark, and the health checks pass it."""
    with served(tmp_path) as server, server.connect() as unread:
        size = HIGH_WATER + kernels_share(server) - MIB
        checks = request("GET", "/health?2000") * PIPELINED
        unread.sendall(request("GET", f"/bytes?{size}") + checks)
        assert unread.recv(1)
        time.sleep(1)  # the health checks of this client are answered meanwhile
        for _ in range(5):
            assert server.get("/health", timeout=20).endswith(b"fine")
            assert server.send(b"no request\r\n\r\n", timeout=20).startswith(b"HTTP/1.1 400")


def test_all_pipelined_requests_are_answered_once_the_client_reads(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.connect() as slow:
        checks = request("GET", "/health") * PIPELINED
        last = request("GET", "/", close=True)
        slow.sendall(request("GET", "/big?25") + checks + last)
        time.sleep(0.5)
        head, _, rest = read_all(slow).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert rest.startswith(BLOB)
        assert rest[25 * MIB :].count(b"fine") == PIPELINED
        assert rest.endswith(b"hello")


def test_clients_that_read_nothing_give_their_threads_back(tmp_path: Path) -> None:
    with served(tmp_path, threads=2, send_timeout=1) as server, ExitStack() as stack:
        unread = [stack.enter_context(server.connect()) for _ in range(5)]
        for sock in unread:
            sock.sendall(request("GET", "/endless"))
        assert unread[0].recv(1)
        assert server.get("/").endswith(b"hello")
        wait_until(lambda: server.log.count("the stream is closed") == 5)
        wait_until(lambda: "cut off: a client must read at least" in server.log)
        for sock in unread:
            with pytest.raises(ConnectionResetError):
                read_all(sock)


def test_an_answer_that_is_not_read_is_dropped_after_its_application_has_ended(
    tmp_path: Path,
) -> None:
    with served(tmp_path, send_timeout=1) as server, server.connect() as unread:
        unread.sendall(request("GET", "/big?40"))
        assert unread.recv(1)
        wait_until(lambda: "1 answer cut off" in server.log)
        with pytest.raises(ConnectionResetError):
            read_all(unread)
        server.signal()
        assert server.wait() == 0


def test_a_client_that_reads_slowly_but_steadily_gets_everything(tmp_path: Path) -> None:
    with (
        served(tmp_path, send_timeout=1, min_send_rate=16 * KIB) as server,
        server.connect() as slow,
    ):
        slow.sendall(request("GET", "/big?25"))
        parts = []
        for _ in range(30):  # 3 s of 640 KiB a second: by far too slow for the kernel's buffers
            parts.append(slow.recv(64 * KIB))
            time.sleep(0.1)
        data = b"".join(parts) + slow.recv(1)
        missing = 25 * MIB + data.index(b"\r\n\r\n") + 4 - len(data)
        while missing:
            part = slow.recv(min(missing, 1 << 18))
            assert part
            missing -= len(part)
        assert "cut off" not in server.log


def test_a_stream_that_pauses_because_there_is_nothing_to_send_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, send_timeout=1) as server, server.connect() as sock:
        gate = tmp_path / "gate"
        sock.sendall(request("GET", f"/pause?{gate}", close=True))
        data = b""
        while len(data) < MIB:
            data += sock.recv(1 << 18)
        time.sleep(3)
        gate.touch()
        assert len(data + read_all(sock)) > 2 * MIB
        assert "cut off" not in server.log


def test_without_a_minimum_rate_a_client_may_read_as_slowly_as_it_likes(tmp_path: Path) -> None:
    with (
        served(tmp_path, send_timeout=1, min_send_rate=None) as server,
        server.connect() as unread,
    ):
        unread.sendall(request("GET", "/big?40"))
        time.sleep(4)
        assert read_answer(unread)[2] == BLOB * 40


def test_what_other_code_closed_of_the_loop_raises_nothing_when_it_is_collected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(app, sock, WaitressSettings(Limits(threads=1), sock), express=express)
        for number in (server.trigger._fileno, server.trigger.trigger):
            os.close(number)
        wait_until(server.release)
        server.close()
    del server
    gc.collect()  # what is raised there is a warning, and so an error of this test


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(app, sock, WaitressSettings(Limits(threads=1), sock), express=express)
        yield server
        wait_until(server.release)  # the trigger is closed once no thread might pull it
        server.close()


def test_one_turn_of_the_loop_parses_a_small_part_of_what_comes_in_tiny_chunks(
    server: Server,
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(head + b"c\r\n0123456789ab\r\n" * 3000)
        steps = [0]
        until = time.monotonic() + PATIENCE
        while steps[-1] < 3000 * 17:
            assert time.monotonic() < until
            server.turn(0.05)
            for channel in server.active_channels.values():
                if channel.request and channel.request.body_bytes_received > steps[-1]:
                    steps.append(channel.request.body_bytes_received)
        assert max(b - a for a, b in itertools.pairwise(steps)) <= 5000


def test_body_bytes_that_come_with_the_head_are_parsed_in_the_same_turn(server: Server) -> None:
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(request("POST", "/", bytes(2000))[:-1000])
        until = time.monotonic() + PATIENCE
        while not any(channel.request for channel in server.active_channels.values()):
            assert time.monotonic() < until
            server.turn(0.05)
        (channel,) = server.active_channels.values()
        assert channel.request
        assert channel.request.body_bytes_received == 1000


def test_one_turn_of_the_loop_parses_one_of_many_pipelined_requests(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as client:
        client.sendall(request("GET", f"/wait?{gate}") + request("GET", "/") * 1000)
        until = time.monotonic() + PATIENCE
        while not any(channel.requests for channel in server.active_channels.values()):
            assert time.monotonic() < until
            server.turn(0.05)
        (channel,) = server.active_channels.values()
        assert (len(channel.requests), bool(channel._unread)) == (1, True)
        with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE):
            server.turn(0.05)
        assert len(channel.requests) == 1
        gate.touch()


@pytest.mark.parametrize("closes", [True, False])
def test_a_client_that_resets_while_its_answer_waits_ends_its_connection_only(
    tmp_path: Path, closes: bool
) -> None:
    with served(tmp_path) as server:
        for _ in range(20):
            with server.connect() as sock:
                sock.sendall(request("GET", "/big?16", close=closes))
                assert sock.recv(1 << 16)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert server.get("/health").endswith(b"fine")
        assert server.process.poll() is None
    assert "uncaptured" not in server.log
