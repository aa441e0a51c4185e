"""Malformed requests over real sockets: the server must shrug.

``python tests/server/campaign.py COUNT [SEED]``
runs the full bar and prints its figures. Each stream
carries a secret; none of it may come back in an answer or show up in the log.
"""

import random
import select
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from differential import generate
from served import Served, served

SECRET = b"s3cr3tS3CR3T"


class Figures(NamedTuple):
    """What a run of the campaign found."""

    sent: int
    answered: int
    leaks: int
    tracebacks: int
    alive: bool
    fds_grown: int
    rss_grown: int
    seconds: float


def with_secret(rng: random.Random, stream: bytes) -> bytes:
    if rng.random() < 0.5:
        return stream.replace(b"value", SECRET).replace(b"/a?b=c", b"/%b?b" % SECRET)
    at = rng.randrange(len(stream) + 1)
    return stream[:at] + SECRET + stream[at:]


def hurl(server: Served, rng: random.Random) -> bytes:
    """Send one stream, sometimes in two pieces; return what came back in a short while."""
    stream = with_secret(rng, generate(rng))
    at = rng.randrange(len(stream) + 1) if rng.random() < 0.3 else len(stream)
    answer = b""
    with server.connect() as sock:
        try:
            sock.sendall(stream[:at])
            if stream[at:]:
                sock.sendall(stream[at:])
            if rng.random() < 0.1:
                return b""  # and go away
            sock.shutdown(socket.SHUT_WR)
            while select.select([sock], [], [], 0.2)[0] and (part := sock.recv(1 << 16)):
                answer += part
        except OSError:
            pass
    return answer


def run(count: int, seed: int, *, progress: bool = False) -> Figures:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        for _ in range(200):
            hurl(server, rng)
        time.sleep(0.3)
        fds, rss, started = server.fds(), server.rss(), time.monotonic()
        answered = leaks = 0
        for number in range(count):
            answer = hurl(server, rng)
            answered += bool(answer)
            leaks += SECRET in answer
            if progress and number % 1000 == 999:
                print(f"{number + 1} of {count}, {answered} answered", flush=True)
        seconds = time.monotonic() - started
        time.sleep(0.3)
        alive = server.get("/health").endswith(b"fine") and server.process.poll() is None
        log = server.log.encode("utf-8", "replace")
        return Figures(
            sent=count,
            answered=answered,
            leaks=leaks + log.count(SECRET),
            tracebacks=log.count(b"Traceback") + log.count(b"uncaptured"),
            alive=alive,
            fds_grown=server.fds() - fds,
            rss_grown=server.rss() - rss,
            seconds=seconds,
        )


def passed(figures: Figures) -> bool:
    return (
        figures.alive
        and (figures.leaks, figures.tracebacks) == (0, 0)
        and figures.fds_grown <= 1
        and figures.rss_grown <= 10 << 20
    )


def main(count: str = "10000", seed: str = "1") -> int:
    figures = run(int(count), int(seed), progress=True)
    print(figures)
    return int(not passed(figures))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
