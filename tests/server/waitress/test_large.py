"""Large bodies: every byte, in bounded memory."""

import hashlib
import threading
import time
from pathlib import Path

from support.served import BLOB, Served, read_answer, request, served

MIB = 1 << 20


def echo(server: Served, body: bytes, results: list[bool]) -> None:
    with server.connect(timeout=120) as sock:
        sock.sendall(request("POST", "/echo", body))
        status, _, answer = read_answer(sock)
        same = hashlib.sha256(answer).digest() == hashlib.sha256(body).digest()
        results.append(status == 200 and same)


def test_eight_events_of_32_mib_at_once_come_back_byte_for_byte(tmp_path: Path) -> None:
    body, results = BLOB * 32, list[bool]()
    with served(tmp_path, threads=8) as server:
        idle = server.rss()
        started = time.monotonic()
        threads = [threading.Thread(target=echo, args=(server, body, results)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds, peak, after = time.monotonic() - started, server.peak(), server.rss()
    print(
        f"8 x 32 MiB: {seconds:.1f} s; MiB idle {idle >> 20}, peak {peak >> 20}, kept {after >> 20}"
    )
    assert results == [True] * 8
    assert peak < 8 * 2 * 32 * MIB + 64 * MIB


def test_a_full_disk_refuses_the_event_and_the_server_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, file_size=MIB) as server, server.connect() as sock:
        sock.sendall(request("POST", "/echo", BLOB * 8))
        assert read_answer(sock)[0] == 503
        assert server.get("/health").endswith(b"fine")
        assert "uncaptured" not in server.log
