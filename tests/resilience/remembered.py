"""A request's head must be read the same way whether its lines are remembered or not.

A case is one connection: a stream of requests whose lines come again in the next request and from
case to case, in another order, case or place, often mutated. It is cut anywhere and read with the
memories of the server: that of the connection, and one that the cases of several threads share.
Then it is read with no memory at all. All that a request or a refusal consists of is compared. Half
of the threads share a memory of a few lines, which forgets all the time.
"""

import random
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fcplug.server.head import HeadError, parse
from fcplug.server.head_reader import HeadReader
from fcplug.server.known_lines import Field, KnownLines
from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.parser import RequestParser, head_reader
from resilience import bar
from resilience.differential import closes, cut, generate

THREADS = 4
FEW = 7  # lines of a small memory
SECRET = b"s3cr3tS3CR3T"

_FIRST = [b"POST /invoke HTTP/1.1"] * 12 + [b"GET /a?b=c HTTP/1.1", b"GET / HTTP/1.0", b"Accept: a"]
_STEADY = [
    b"Host: a",
    b"host: a",
    b"Host: b",
    b"User-Agent: Go-http-client/1.1",
    b"Accept: a",
    b"accept:a",
    b"Accept: \t b \t",
    b"Accept:",
    b"Accept : a",
    b" Accept: a",
    b"\tAccept: a",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: upgrade, Keep-Alive",
    b"Upgrade: h2c",
    b"Content-Type: a/b",
    b"Content-Type: a/c",
    b"X-Fc-Function-Name: f",
    b"x-fc-function-name: f",
    b"X_Fc_Function_Name: f",
    b"X-Fc-Region: cn-hangzhou",
    b"X-Fc-Region: caf\xe9",
    b"X-Fc-Control-Path: /invoke",
    b"User-Agent: " + b"x" * 300,
    b"Cookie: a=" + SECRET,
    b"Cookie: b",
    b"Authorization: " + SECRET,
    b"X-Fc-Access-Key-Secret: " + SECRET,
    b"X-Fc-Security-Token: " + SECRET,
    b"X-Fcplug-Signature: t=1,v1=" + SECRET,
    b"X-Api-Key: " + SECRET,
]
_FRAMING = [
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 05",
    b"Content-Length: x",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Expect: 100-continue",
]
_BODIES = {
    b"Content-Length: 5": b"12345",
    b"Content-Length: 0": b"",
    b"Transfer-Encoding: chunked": b"1\r\nx\r\n0\r\n\r\n",
}
_ODD = [b"\r", b"\n", b"\x00", b" ", b"\r\n", b"\r\n ", b":", b"\x85"]


class Nothing(KnownLines):
    """A memory that stays empty."""

    def add(self, lines: Iterable[bytes], fields: Iterable[Field]) -> None:
        """Remember none of the lines."""


def connection(rng: random.Random) -> bytes:
    """Return the bytes of one connection: a few requests, some of them wrong in a place or two."""
    if rng.random() < 0.2:
        return generate(rng)
    stream, lines = b"", _request(rng)
    for _ in range(rng.choice((1, 2, 3, 5))):
        stream += _sent(rng, lines)
        lines = _changed(rng, lines) if rng.random() < 0.8 else _request(rng)
    return stream


def _request(rng: random.Random) -> list[bytes]:
    lines = [rng.choice(_FIRST), rng.choice(_STEADY[:3])]
    lines += rng.sample(_STEADY[3:] if rng.random() < 0.1 else _STEADY[11:], rng.randrange(6))
    lines.append(b"X-Fc-Request-Id: %d" % rng.randrange(10**6))
    if rng.random() < 0.5:
        lines.append(rng.choice(list(_BODIES)))
    if rng.random() < 0.1:
        lines += rng.sample(_FRAMING, rng.choice((1, 2)))
    if rng.random() < 0.1:
        lines += [rng.choice(lines[1:])] * rng.choice((1, 1, 140))
    if rng.random() < 0.5:
        rest = lines[1:]
        rng.shuffle(rest)
        lines[1:] = rest
    return lines


def _changed(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    """Return the next request of a client: the same lines, but for a few."""
    number = b"%d" % rng.randrange(100)
    lines = [b"X-Fc-Request-Id: " + number if b"Request-Id" in line else line for line in lines]
    if rng.random() < 0.3:
        lines = [rng.choice(list(_BODIES)) if line in _BODIES else line for line in lines]
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = rng.randrange(len(lines))
        name = lines[at].partition(b": ")[0]
        other = rng.choice((*_STEADY, *_FRAMING, name + b": " + number, name + b":", name))
        lines[at] = other if at else rng.choice(_FIRST)
    return lines


def _sent(rng: random.Random, lines: list[bytes]) -> bytes:
    head = b"\r\n".join([*lines, b"", b""])
    if rng.random() < 0.1:
        at = rng.randrange(len(head))
        head = head[:at] + rng.choice(_ODD) + head[at + rng.randrange(2) :]
    return head + next((_BODIES[line] for line in lines if line in _BODIES), b"")


def reading(
    settings: WaitressSettings, pieces: list[bytes], reader: HeadReader | None = None
) -> list[Any]:
    """Read a stream as the channel does; return all that the answers may depend on.

    Without a reader each request gets one of its own, with no memory of those before.
    """
    seen: list[Any] = []
    parser = RequestParser(settings, reader)
    for piece in pieces:
        rest = piece
        while rest:
            rest = rest[parser.received(rest) :]
            if not parser.completed:
                continue
            if error := parser.error:
                return [*seen, (error.status, error.fields, error.body)]
            if not parser.empty:
                seen.append(
                    (
                        (parser.command, parser.request_uri, parser.path, parser.query),
                        (parser.version, list(parser.headers.items()), parser.cookies),
                        parser.get_body_stream().read(),
                    )
                )
                if closes(parser):
                    return [*seen, "closes"]
            parser.headers["HTTP_CONNECTION"] = "changed, as when the process stops"
            parser.close()
            parser = RequestParser(settings, reader)
    return [*seen, parser.headers_finished]


class Totals:
    """Counts of a thread; ``bad`` holds the streams that were read in two ways."""

    def __init__(self) -> None:
        self.requests = self.refused = 0
        self.bad: list[bytes] = []


def compare(numbers: range, known: KnownLines) -> Totals:
    """Read the connections of these numbers, with and without the memory."""
    totals = Totals()
    with socket.socket() as sock:
        remembering = WaitressSettings(Limits(), sock)
        forgetting = WaitressSettings(Limits(), sock)
    remembering.known_lines, forgetting.known_lines = known, Nothing()
    for number in numbers:
        rng = random.Random(number)
        stream = connection(rng)
        for pieces in (cut(rng, stream), [stream]):
            fresh = reading(forgetting, pieces)
            reader = head_reader(remembering)
            if reading(remembering, pieces, reader) != fresh and len(totals.bad) < 20:
                totals.bad.append(stream)
        totals.requests += len(fresh) - 1
        totals.refused += isinstance(fresh[-1], tuple)
    return totals


def run(size: int, report: bar.Report) -> None:
    """Compare so many connections, on several threads."""
    memories = [KnownLines(), KnownLines(FEW)]
    parts = [range(first, size, THREADS) for first in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        totals = list(pool.map(compare, parts, memories * (THREADS // 2)))
    requests, refused = sum(t.requests for t in totals), sum(t.refused for t in totals)
    report.figure(f"{size} connections, {requests} requests accepted, {refused} refused")
    bad = [stream for total in totals for stream in total.bad]
    report.expect(not bad, f"{len(bad)} read in two ways")
    report.missed.extend(map(repr, bad[:5]))
    report.expect(len(list(memories[1])) <= FEW + THREADS, f"small memory within {FEW} lines")
    refusable = [line for memory in memories for line in memory if not accepted_alone(line)]
    report.expect(not refusable, f"{len(refusable)} lines remembered that are refused alone")
    secrets = [line for memory in memories for line in memory if line.endswith(SECRET)]
    report.expect(not secrets, f"{len(secrets)} credentials remembered")


def accepted_alone(line: bytes) -> bool:
    """Return whether a head with this line is accepted by a parser that remembers nothing."""
    try:
        parse(b"GET / HTTP/1.0\r\n%b\r\n\r\n" % line, 2, Nothing())
    except HeadError:
        return False
    return True


BAR = bar.Bar(
    20, "remembered", "a head is read the same way with remembered lines", 200_000, 4000, run
)
