"""Echo a body of 32 MB: the time it takes, and the peak of memory."""

import os
import socket
import statistics
import threading
import time
from collections.abc import Sequence

from contestants import Contestant, echoing
from family import peak, reset_peak, rss
from machine import Processors
from request import Request
from running import Server, ServerError, read_answer, running
from samples import Record, rotated

CASE = "32 MB echo"
SIZE = 32 * 1024 * 1024
_TIMES = 5  # echoes in a round: the first measures memory, the median of the others time


def measure(
    record: Record, contestants: Sequence[Contestant], turn: int, processors: Processors
) -> None:
    """Measure some echoes of each contestant."""
    small = Request(body=b"small", answer=b"small")
    event = os.urandom(SIZE)
    for contestant in rotated(contestants, turn):
        try:
            with running(echoing(contestant), small, processors.server) as server:
                record.add(CASE, contestant.name, turn, **_echoes(server, event))
        except (ServerError, OSError) as error:
            record.remark(f"{contestant.name}, {CASE}: {error}")


def _echoes(server: Server, event: bytes) -> dict[str, float]:
    raw, buffer = Request(body=event).raw, bytearray(len(event) + 65536)
    reset_peak(server.pid)
    before = rss(server.pid)
    times = []
    most = 0
    for _ in range(_TIMES):
        begun = time.perf_counter()
        status, body = _exchange(server.port, raw, buffer)
        times.append(time.perf_counter() - begun)
        most = most or peak(server.pid) - before
        if status != 200 or body != event:
            raise server.fail(f"{len(event)} bytes were answered by {status}, {len(body)} bytes")
    return {"seconds": statistics.median(times[1:]), "first": times[0], "peak": most / len(event)}


def _exchange(port: int, raw: bytes, buffer: bytearray) -> tuple[int, memoryview]:
    """Send and read at the same time: a server may answer before it has read everything."""
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sender = threading.Thread(target=sock.sendall, args=(raw,))
        sender.start()
        try:
            return read_answer(sock, buffer)
        finally:
            sender.join()
