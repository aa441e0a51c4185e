"""Time the parsing of one request of 26 header fields and 256 bytes of body.

``python bench/parser.py [MODULE:CLASS ...]`` compares our parser with that of waitress and with
other classes that waitress accepts as ``parser_class``. Ours is timed for the first request of a
connection and for a later one, which differs in its request id.
"""

import importlib
import itertools
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.parser import RequestParser, head_reader

REQUEST = b"\r\n".join(
    [
        b"POST /invoke HTTP/1.1",
        b"Host: localhost:9000",
        b"User-Agent: Go-http-client/1.1",
        b"Content-Length: 256",
        b"Content-Type: application/octet-stream",
        b"Accept-Encoding: gzip",
        b"X-Fc-Security-Token: " + b"CAIS" * 150,
        b"X-Fc-Request-Id: 1-0000",
        *(b"X-Fc-Function-Field-%d: some-value-%d" % (n, n) for n in range(18)),
        b"Connection: keep-alive",
        b"",
        b"x" * 256,
    ]
)
REQUESTS = [REQUEST.replace(b"1-0000", b"1-%04d" % n) for n in range(100)]
WAITRESS = "waitress.parser:HTTPRequestParser"
FIRST, LATER = "fcplug, first request", "fcplug, later request"
ROUNDS, CALLS = 15, 4000


def parse(make: Callable[[Any], Any], settings: WaitressSettings, data: bytes) -> None:
    parser = make(settings)
    while not parser.completed:
        data = data[parser.received(data) :]
    assert not parser.error


def microseconds(make: Callable[[Any], Any], settings: WaitressSettings) -> float:
    started = time.thread_time()
    for data in itertools.islice(itertools.cycle(REQUESTS), CALLS):
        parse(make, settings, data)
    return (time.thread_time() - started) / CALLS * 1e6


def main(*others: str) -> None:
    makers: dict[str, Callable[[Any], Any]] = {FIRST: RequestParser, LATER: RequestParser}
    for other in (WAITRESS, *others):
        module, _, name = other.partition(":")
        makers[other] = getattr(importlib.import_module(module), name)
    with socket.socket() as sock:
        settings = WaitressSettings(Limits(), sock)
    reader = head_reader(settings)
    makers[LATER] = lambda adj: RequestParser(adj, reader)
    times: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(ROUNDS):
        for name, make in makers.items():
            times[name].append(microseconds(make, settings))
    for name, each in times.items():
        print(f"{name:34} median {statistics.median(each):6.1f} us, best {min(each):6.1f} us")


if __name__ == "__main__":
    main(*sys.argv[1:])
