"""Malformed requests over real sockets: the instance must shrug.

Each stream carries a secret, in a credential's header or wherever it hurts; none may come back in
an answer or show up in the log.
"""

import random
import re
import select
import socket
import time
from collections.abc import Callable

from resilience import processes
from resilience.bar import Bar, Report
from resilience.deployment import running
from resilience.differential import generate
from support.deployed import Instance

SECRET = b"s3cr3tS3CR3T"
CREDENTIALS = (b"X-Fc-Access-Key-Secret", b"X-Fc-Security-Token", b"Authorization", b"Cookie")
TOLD = re.compile(rb"(?im)^.*s3cr3tS3CR3T.*http/|request-id.*s3cr3tS3CR3T")  # paths and ids are
CONFIG = """\
version: 1
runtime: {trust_callers: true}
functions: {f: {handler: chaos.size}}
default: f
"""


def with_secret(rng: random.Random, stream: bytes) -> bytes:
    """Put the secret where it must stay secret, and lead about half of all to the function."""
    if rng.random() < 0.5:
        stream = stream.replace(b"/a?b=c", b"/invoke")
    if rng.random() < 0.3:
        at = rng.randrange(len(stream) + 1)
        salted = stream[:at] + SECRET + stream[at:]
        if not TOLD.search(salted):
            return salted
    return stream.replace(b"\r\n", b"\r\n%b: %b\r\n" % (rng.choice(CREDENTIALS), SECRET), 1)


def hurl(port: int, stream: bytes, rng: random.Random) -> bytes:
    """Send one stream, sometimes in two pieces; return what came back in a short while."""
    at = rng.randrange(len(stream) + 1) if rng.random() < 0.3 else len(stream)
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
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


def hurl_many(
    instance: Instance, rng: random.Random, count: int, progress: Callable[[str], None]
) -> tuple[int, int]:
    """Return how many streams were answered, and how many answers held the secret."""
    answered = leaks = 0
    for number in range(count):
        stream = with_secret(rng, generate(rng))
        answer = hurl(instance.port, stream, rng)
        answered += bool(answer)
        leaks += SECRET in answer
        progress(f"{number + 1} of {count} streams, {answered} answered, {leaks} leaks")
    return answered, leaks


def run(size: int, report: Report) -> None:
    """Hurl so many streams at an instance."""
    rng = random.Random(size)
    with running(CONFIG) as (instance, _):
        pid = instance.process.pid
        hurl_many(instance, rng, 300, report.progress)
        time.sleep(0.5)
        fds, rss, logged = processes.fds(pid), processes.rss(pid), len(instance.log)
        answered, leaks = hurl_many(instance, rng, size, report.progress)
        processes.wait_at_most(60, lambda: processes.fds(pid) <= fds)
        alive = instance.call("GET", "/health").status == 200
        log = instance.log[logged:].encode("utf-8", "surrogateescape")
        grown = (processes.rss(pid) - rss) / processes.MIB
        more = processes.fds(pid) - fds
        report.figure(f"{size} streams, {answered} answered")
        report.expect(alive and instance.process.poll() is None, "health 200 after")
        report.expect(leaks == 0, f"{leaks} secrets in answers")
        report.expect(SECRET not in log, f"{log.count(SECRET)} secrets in the log")
        traces = log.count(b"Traceback") + log.count(b"uncaptured") + log.count(b"in the runtime")
        report.expect(traces == 0, f"{traces} tracebacks")
        report.expect(more <= 1, f"descriptors {more:+d}")
        report.expect(grown <= 10, f"memory {grown:+.1f} MiB")
        report.expect(instance.stop() == 0, "exit code 0")


BAR = Bar(1, "malformed", "malformed requests crash, leak and keep nothing", 10_000, 300, run)
