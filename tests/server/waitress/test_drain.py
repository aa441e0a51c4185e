"""Stopping: no accepted request is lost, and nothing keeps the process longer than allowed."""

import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from fcplug.server import Limits, bind, serve
from support.served import (
    BLOB,
    Served,
    read_all,
    read_answer,
    request,
    served,
)
from support.waiting import PATIENCE, wait_until


def test_an_idle_server_stops_at_once_with_0(tmp_path: Path) -> None:
    with served(tmp_path, drain_timeout=10 * PATIENCE) as server:
        server.get("/health")
        server.signal()
        assert server.wait() == 0
        assert server.log.split() == ["draining", "stopping", "left", "1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_is_answered_with_connection_close(tmp_path: Path, number: int) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        stop_amid(server, sock, request("GET", f"/wait?{tmp_path / 'gate'}"), number)
        status, fields, body = read_answer(sock)
        assert (status, fields["connection"], body) == (200, "close", b"waited")
        assert sock.recv(1) == b""
        assert server.wait() == 0


def stop_amid(
    server: Served, sock: socket.socket, data: bytes, number: int = signal.SIGTERM
) -> None:
    """Send a request that waits for the folder's gate, stop the server, and open the gate."""
    gate = server.folder / "gate"
    sock.sendall(data)
    wait_until(gate.with_name("gate.in").exists)
    server.signal(number)
    wait_until(lambda: "draining" in server.log)
    gate.touch()


def test_http_1_0_is_answered_with_connection_close_as_well(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        path = f"/wait?{tmp_path / 'gate'}"
        stop_amid(server, sock, request("GET", path, None, "Connection: keep-alive", version="1.0"))
        data = read_all(sock)
        assert (data.count(b"Connection"), data.count(b"Connection: close")) == (1, 1)


def test_queued_requests_are_answered(tmp_path: Path) -> None:
    with served(tmp_path, threads=1) as server:
        socks = [server.connect() for _ in range(5)]
        for sock in socks:
            sock.sendall(request("GET", "/sleep?0.2"))
        time.sleep(0.1)
        server.signal()
        assert [read_answer(sock)[0] for sock in socks] == [200] * 5
        assert server.wait() == 0
        for sock in socks:
            sock.close()


def test_connections_that_wait_in_the_kernel_are_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.signal(signal.SIGSTOP)
        socks = [server.connect() for _ in range(50)]
        for sock in socks:
            sock.sendall(request("GET", "/"))
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        assert [read_answer(sock)[0] for sock in socks] == [200] * 50
        assert server.wait() == 0
        for sock in socks:
            sock.close()


def test_an_upload_in_progress_is_finished_and_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        data = request("POST", "/echo", b"x" * 100_000)
        sock.sendall(data[:50_000])
        time.sleep(0.1)
        server.signal()
        time.sleep(0.5)
        sock.sendall(data[50_000:])
        status, fields, body = read_answer(sock)
        assert (status, fields["connection"], len(body)) == (200, "close", 100_000)
        assert server.wait() == 0


def test_a_big_answer_is_sent_to_its_end(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request("GET", "/big?20"))
        time.sleep(0.2)
        server.signal()
        time.sleep(0.5)
        assert read_answer(sock)[2] == BLOB * 20
        assert server.wait() == 0


def test_pipelined_requests_are_all_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        first = request("GET", f"/wait?{tmp_path / 'gate'}")
        stop_amid(server, sock, first + request("GET", "/") * 3)
        data = read_all(sock)
        assert data.count(b"HTTP/1.1 200") == 4
        assert data.count(b"Connection: close") == 1
        assert server.wait() == 0


def test_new_connections_are_refused(tmp_path: Path) -> None:
    def refused() -> bool:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    with served(tmp_path) as server, server.connect() as sock:
        gate = tmp_path / "gate"
        sock.sendall(request("GET", f"/wait?{gate}"))
        wait_until((tmp_path / "gate.in").exists)
        assert not refused()
        server.signal()
        wait_until(refused)
        gate.touch()
        assert read_answer(sock)[0] == 200


def test_unfinished_work_is_abandoned_and_counted_and_exits_1(tmp_path: Path) -> None:
    with served(tmp_path, threads=1, drain_timeout=1) as server:
        socks = [server.connect() for _ in range(4)]
        socks[0].sendall(request("GET", f"/wait?{tmp_path / 'gate'}"))
        wait_until((tmp_path / "gate.in").exists)
        socks[1].sendall(request("GET", "/"))
        socks[2].sendall(request("POST", "/echo", b"12345")[:-1])
        started = time.monotonic()
        server.signal()
        assert server.wait() == 1
        assert time.monotonic() - started > 0.9
        assert "1 requests running, 1 queued, 0 answers unsent, 1 uploads" in server.log
        assert all(sock.recv(1) == b"" for sock in socks)
        for sock in socks:
            sock.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process_at_once(tmp_path: Path, number: int) -> None:
    with served(tmp_path) as server, server.connect() as sock:
        sock.sendall(request("GET", f"/wait?{tmp_path / 'gate'}"))
        wait_until((tmp_path / "gate.in").exists)
        server.signal()
        wait_until(lambda: "draining" in server.log)
        server.signal(number)
        assert server.wait() == 128 + number


def test_serving_off_the_main_thread_is_a_clear_error(tmp_path: Path) -> None:
    errors: list[RuntimeError] = []

    def run() -> None:
        with pytest.raises(RuntimeError) as caught, bind("127.0.0.1", 0) as sock:
            serve(lambda *_: [], sock, Limits(), express=lambda *_: False, on_stop=lambda: None)
        errors.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def _client(server: Served, counts: dict[str, int], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            sock = server.connect()
        except OSError:
            return
        with sock:
            while not stop.is_set():
                try:
                    sock.sendall(request("POST", "/sleep?0.002", b"x" * 300))
                except OSError:
                    break  # the server had closed it: the request was never written
                try:
                    status, fields, body = read_answer(sock)
                except (OSError, EOFError):
                    counts["lost"] += 1
                    return
                counts["ok" if (status, body) == (200, b"slept") else "wrong"] += 1
                if fields.get("connection") == "close":
                    break


def test_under_load_no_request_is_lost(tmp_path: Path) -> None:
    stop_under_load(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(10))
def test_under_load_no_request_is_lost_again_and_again(tmp_path: Path, trial: int) -> None:
    stop_under_load(tmp_path)


def stop_under_load(folder: Path, clients: int = 16) -> dict[str, int]:
    counts = {"ok": 0, "lost": 0, "wrong": 0}
    with served(folder, linger=1.0) as server:  # as an instance does
        stop = threading.Event()
        threads = [
            threading.Thread(target=_client, args=(server, counts, stop)) for _ in range(clients)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        wait_until(lambda: counts["ok"] > 50)
        server.signal()
        assert server.wait() == 0
        stop.set()
        for thread in threads:
            thread.join()
    assert (counts["lost"], counts["wrong"]) == (0, 0)
    return counts
