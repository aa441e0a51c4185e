"""Clients that never finish what they begin, and more connections than descriptors."""

import socket
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from resilience import processes
from resilience.bar import Bar, Crowd, Report
from resilience.deployment import running
from support.deployed import Instance
from support.served import served

CONFIG = "version: 1\nfunctions: {echo: {handler: chaos.echo}}\n"
HEADER_TIMEOUT = 2  # seconds of the bare server, which has room for half of the sockets
SPARE = 20  # descriptors left to the instance
CONNECTING = 90.0  # seconds


def attack(port: int, count: int, stop: threading.Event) -> None:
    """Keep so many connections, send a byte of a head from time to time, reopen closed ones."""
    socks: list[socket.socket] = []
    while not stop.wait(0.2):
        kept = []
        for sock in socks:
            try:
                sock.send(b"x")
                kept.append(sock)
            except OSError:
                sock.close()
        socks = kept
        with suppress(OSError):
            while len(socks) < count:
                sock = socket.create_connection(("127.0.0.1", port), 5)
                sock.setblocking(False)
                sock.send(b"GET / HTTP/1.1\r\nX: ")
                socks.append(sock)
    for sock in socks:
        sock.close()


def health(port: int) -> float:
    """Return the seconds until health is answered with 200."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), CONNECTING) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


def probe(port: int, sockets: int, probes: int, report: Report) -> float:
    """Return the longest that health took, asked so often under attack."""
    worst = 0.0
    with Crowd(1, lambda _, stop: attack(port, sockets, stop)):
        time.sleep(1)
        for number in range(probes):
            worst = max(worst, health(port))
            report.progress(f"{sockets} sockets, {number + 1} of {probes} probes")
            time.sleep(0.2)
    return worst


def exhaust(instance: Instance, sockets: int, seconds: int, report: Report) -> None:
    """Connect more often than there are descriptors."""
    pid = instance.process.pid
    processes.wait_at_most(60, lambda: processes.fds(pid) < 40)
    processes.limit_files(pid, processes.fds(pid) + SPARE)
    with ExitStack() as stack:
        for _ in range(sockets):
            stack.enter_context(socket.create_connection(("127.0.0.1", instance.port)))
        processes.wait_at_most(60, lambda: "Too many open files" in instance.log)
        used, written, began = processes.cpu(pid), len(instance.log), time.monotonic()
        time.sleep(seconds)
        share = (processes.cpu(pid) - used) / seconds
        lines = instance.log[written:].count("\n") / (time.monotonic() - began)
    report.expect("Too many open files" in instance.log, "out of descriptors")
    report.expect(share < 0.1, f"{share * 100:.1f} % processor (< 10)")
    report.expect(lines < 10, f"{lines:.1f} log lines a second (< 10)")
    report.expect_within(health(instance.port), 2.0, "health after")


def run(size: int, report: Report) -> None:
    """Attack with so many sockets."""
    probes, header_timeout = (30, HEADER_TIMEOUT) if size >= 200 else (3, 1)
    with tempfile.TemporaryDirectory() as folder:
        limits = {"connection_limit": size // 2, "header_timeout": header_timeout}
        with served(Path(folder), **limits) as server:
            worst = probe(server.port, size, probes, report)
    bound = 2 * header_timeout + 1
    report.expect_within(worst, bound, f"{size} sockets at a limit of {size // 2}: health at most")
    with running(CONFIG) as (instance, _):
        report.expect_within(probe(instance.port, size, probes, report), 1, "instance: at most")
        exhaust(instance, 3 * SPARE, 5 if size >= 200 else 2, report)
        report.expect(instance.stop() == 0, "exit code 0")


BAR = Bar(10, "clients", "slow and idle clients do not keep others out", 200, 40, run)
