"""What a supervisor costs and what it gains; needs ``tests`` on the PYTHONPATH.

``python bench/supervisor.py storm 100``: what clients see of 100 segmentation faults.
``python bench/supervisor.py load 64 5``: requests per second over 64 connections, and memory.

Client and server share the machine: the figures only compare ways of serving.
"""

import collections
import selectors
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from support.supervised import Supervised, ask, clients, storm, supervised

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WAYS: dict[str, dict[str, Any]] = {
    "no supervisor": {"alone": True, "load": "memory"},
    "1 process": {"processes": 1, "load": "memory"},
    "2 processes": {"processes": 2, "load": "memory"},
    "2 processes, each loading itself": {"processes": 2, "start": "memory"},
}


def measure_storm(crashes: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        supervised(Path(folder), processes=8, load="yes") as server,
        clients(server, 8) as count,
    ):
        time.sleep(1)
        storm(server, crashes, 0.12)
    print(f"{crashes} segmentation faults, 8 processes, 8 requests in flight: {count}")


def measure_load(connections: int, seconds: float) -> None:
    for name, options in WAYS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            supervised(Path(folder), **options) as server,
        ):
            time.sleep(0.5)
            run(server, connections, 0.5)
            done, shares = run(server, connections, seconds)
            pss = server.pss() / 1e6
        shown = "+".join(str(share) for share in sorted(shares))
        rate = f"{done / seconds:6.0f} requests a second"
        print(f"{name:34} {rate} over {shown} connections, {pss:4.0f} MB")


def run(server: Supervised, connections: int, seconds: float) -> tuple[int, list[int]]:
    """Return the number of answered requests, and of connections for each process."""
    socks = [server.connect() for _ in range(connections)]
    pids = collections.Counter(ask(sock, "/") for sock in socks)
    selector = selectors.DefaultSelector()
    for sock in socks:
        selector.register(sock, selectors.EVENT_READ)
        sock.sendall(REQUEST)
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.recv(65536)
            key.fileobj.sendall(REQUEST)
            done += 1
    for sock in socks:
        sock.close()
    return done, list(pids.values())


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    if what == "storm":
        measure_storm(int(numbers[0]))
    else:
        measure_load(int(numbers[0]), float(numbers[1]))
