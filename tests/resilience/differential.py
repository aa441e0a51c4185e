"""Two readers of one stream of bytes must see the same requests: ours against h11 and llhttp.

A case is a stream of one to three requests, made by a grammar that leans to what framing goes wrong
with, then often mutated. For each: ours must never raise, must see the same however the bytes are
cut, and must agree with each oracle about every request that it accepts: method, target, body. It
may refuse what an oracle takes, for a reason of its own, and these are counted.
"""

import random
import socket
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import h11
import httptools

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.parser import RequestParser
from resilience import bar

Seen = tuple[str, str, bytes]

_METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"CONNECT", b"get", b"BREW"]
_TARGETS = [b"/", b"/a?b=c", b"//x", b"/%0d%0a", b"*", b"http://a/b", b"http://b/", b"a", b"/#f"]
_VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0"] * 3 + [b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b""]
_NAMES = [b"X-Fc-Request-Id", b"Accept", b"Content-Type", b"Authorization", b"X_Y", b"Cookie", b"X"]
_VALUES = [b"1", b"", b"a, b", b"\t x \t", b"caf\xe9", b"\x85", b"a\x00b", b"x" * 300, b'"q"']
_LENGTHS = [b"+5", b"5, 5", b"0x5", b"-1", b"", b"5 ", b"\t5", b"05", b"9" * 30, b"5\x0b", b"\xb2"]
_CODINGS = [b"chunked"] * 6 + [b"Chunked", b"gzip, chunked", b"chunked, chunked", b"identity", b""]
_CODINGS += [b"chunked;a=b", b" chunked", b"\x0bchunked", b"xchunked", b"chunked,"]
_ENDS = [b"\r\n"] * 60 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\n\r\n"]
_EXTENSIONS = [b""] * 12 + [b";a", b";a=b", b';a="b c"', b"; a", b" ;a", b";", b";a\nb", b";" * 300]
_SIZES = [
    b"%x",
    b"%X",
    b"%04x",
    b"0x%x",
    b" %x",
    b"%x ",
    b"+%x",
    b"-%x",
    b"%x_0",
    b"0" * 20 + b"%x",
]
_TRAILERS = [b""] * 12 + [b"A: b\r\n", b"A: b\r\nC: d\r\n", b"bad\r\n", b" a: b\r\n", b"A: b\n"]
_SALT = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b";",
    b"\x00",
    b"\x85",
    b"0",
    b"chunked",
    b"\r\n\r\n",
]


_EXPECTED = {
    "no request line received",  # h11 refuses the empty lines that RFC 9112, 2.2 wants skipped
    "closes HTTP/1.0",  # h11 keeps no such connection, even where the client asks for it
}


class Result(NamedTuple):
    """What a reader made of a stream: the requests, then why it stopped ('' when it did not)."""

    seen: list[Seen]
    refused: str = ""


def generate(rng: random.Random) -> bytes:
    """Return a stream of requests, many of them wrong in one place."""
    stream = b"".join(_request(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    while rng.random() < 0.3:
        stream = _mutated(rng, stream)
    return stream or b"\r\n"  # no bytes at all would be the end of the connection to h11


def _request(rng: random.Random) -> bytes:
    odd = rng.random() < 0.5
    lines = [_first_line(rng, odd=odd), b"Host: a"]
    if odd and rng.random() < 0.15:
        lines[1] = rng.choice((b"X: y", b"Host: a\r\nHost: a", b"Host : a", b"Host: a b", b"Host:"))
    for _ in range(rng.randrange(3)):
        odd_value = rng.choice(_VALUES) if odd else b"value"
        lines.append(rng.choice(_NAMES) + b": " + odd_value)
    fields, body = _body(rng, odd=odd)
    lines += fields
    if rng.random() < 0.1:
        lines.append(b"Connection: " + rng.choice((b"close", b"keep-alive", b"upgrade, close")))
    end = rng.choice(_ENDS) if odd else b"\r\n"
    head = b"\r\n".join(lines[:1]) + end + b"\r\n".join(lines[1:])
    blank = rng.choice((b"\r\n", b"\r\n\r\n", b"\n")) if odd and rng.random() < 0.1 else b""
    return blank + head + b"\r\n\r\n" + body


def _first_line(rng: random.Random, *, odd: bool) -> bytes:
    if not odd:
        return rng.choice(_METHODS[:6]) + b" " + rng.choice(_TARGETS[:4]) + b" HTTP/1.1"
    space = rng.choice((b" ",) * 20 + (b"  ", b"\t", b""))
    parts = [rng.choice(_METHODS), rng.choice(_TARGETS), rng.choice(_VERSIONS)]
    return space.join(parts)


def _body(rng: random.Random, *, odd: bool) -> tuple[list[bytes], bytes]:
    data = rng.randbytes(rng.choice((0, 1, 5, 300)))
    kind = rng.choice(("none", "length", "chunks", "both" if odd else "length"))
    length = b"Content-Length: %d" % len(data)
    if odd and rng.random() < 0.2:
        length = b"Content-Length: " + rng.choice(_LENGTHS)
    coding = b"Transfer-Encoding: " + (rng.choice(_CODINGS) if odd else b"chunked")
    if kind == "none":
        return [], b""
    if kind == "length":
        return [length] * (2 if odd and rng.random() < 0.1 else 1), data
    fields = [coding, length] if kind == "both" else [coding]
    rng.shuffle(fields)
    return fields, _chunks(rng, data, odd=odd)


def _chunks(rng: random.Random, data: bytes, *, odd: bool) -> bytes:
    wire, at = b"", 0
    while at < len(data):
        part = data[at : at + rng.choice((1, 4, 100, 1000))]
        at += len(part)
        size = rng.choice(_SIZES if odd and rng.random() < 0.3 else _SIZES[:3]) % len(part)
        extension = rng.choice(_EXTENSIONS) if odd else b""
        end = rng.choice(_ENDS) if odd else b"\r\n"
        wire += size + extension + b"\r\n" + part + end
    return wire + b"0\r\n" + (rng.choice(_TRAILERS) if odd else b"") + b"\r\n"


def _mutated(rng: random.Random, stream: bytes) -> bytes:
    at = rng.randrange(len(stream) + 1)
    kind = rng.randrange(5)
    if kind == 0:
        return stream[:at] + rng.choice(_SALT) + stream[at:]
    if kind == 1:
        return stream[:at] + stream[at + 1 :]
    if kind == 2:
        return stream[:at] + bytes([rng.randrange(256)]) + stream[at + 1 :]
    if kind == 3:
        return stream[:at]
    to = min(len(stream), at + rng.randrange(1, 40))
    return stream[:to] + stream[at:to] + stream[to:]


def ours(settings: WaitressSettings, pieces: list[bytes]) -> Result:
    """Read a stream as the channel does, up to the first request that ends the connection."""
    seen: list[Seen] = []
    parser = RequestParser(settings)
    for piece in pieces:
        rest = piece
        while rest:
            rest = rest[parser.received(rest) :]
            if not parser.completed:
                continue
            if parser.error:
                return Result(seen, parser.error.message)
            if not parser.empty:
                body = parser.get_body_stream().read()
                seen.append((parser.command, parser.request_uri, body))
                if closes(parser):
                    return Result(seen, "closes")
            parser.close()
            parser = RequestParser(settings)
    return Result(seen)


def closes(parser: RequestParser) -> bool:
    connection = parser.headers.get("HTTP_CONNECTION", "").lower()
    return connection == "close" or (parser.version == "1.0" and connection != "keep-alive")


def by_h11(stream: bytes) -> Result:
    connection, seen = h11.Connection(h11.SERVER, 1 << 17), list[Seen]()
    connection.receive_data(stream)
    request, body = h11.Request(method="GET", target="/", headers=[("Host", "a")]), b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return Result(seen, str(error))
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return Result(seen)
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            seen.append((request.method.decode(), request.target.decode("latin-1"), body))
            connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return Result(seen, f"closes HTTP/{request.http_version.decode()}")
            connection.start_next_cycle()


class _Collector:
    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.target, self.body = b"", b""

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode()
        self.seen.append((method, self.target.decode("latin-1"), self.body))


def by_llhttp(stream: bytes) -> Result:
    collector = _Collector()
    try:
        collector.parser.feed_data(stream)
    except httptools.HttpParserUpgrade:
        return Result(collector.seen, "upgrades")
    except httptools.HttpParserError as error:
        return Result(collector.seen, str(error.args[0]))
    return Result(collector.seen)


def cut(rng: random.Random, stream: bytes) -> list[bytes]:
    points = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.randrange(1, 9)))
    edges = [0, *points, len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def disagreement(mine: Result, oracle: Result) -> str:
    """Return how the answers to two readings would differ; empty if they would not."""
    shared = min(len(mine.seen), len(oracle.seen))
    if mine.seen[:shared] != oracle.seen[:shared]:
        return "sees other requests"
    if len(mine.seen) > shared and oracle.refused not in _EXPECTED:
        return f"sees fewer requests than ours ({oracle.refused or 'waits'})"
    if len(oracle.seen) > shared and not mine.refused:
        return "sees a request where ours waits"
    return ""


class Report:
    """Counts of a run; ``bad`` holds the first streams that broke a rule."""

    def __init__(self) -> None:
        self.cases = self.accepted = 0
        self.bad: list[tuple[str, bytes]] = []
        self.kinds: Counter[str] = Counter()
        self.stricter: Counter[str] = Counter()

    def note(self, kind: str, stream: bytes) -> None:
        self.kinds[kind] += 1
        if len(self.bad) < 20:
            self.bad.append((kind, stream))


def check(settings: WaitressSettings, rng: random.Random, report: Report) -> None:
    stream = generate(rng)
    report.cases += 1
    try:
        whole = ours(settings, [stream])
        pieces = [bytes([byte]) for byte in stream] if rng.random() < 0.1 else cut(rng, stream)
        again = ours(settings, pieces)
        if (again.seen, bool(again.refused)) != (whole.seen, bool(whole.refused)):
            report.note("depends on the split", stream)
    except Exception as error:
        report.note(f"raises {type(error).__name__}", stream)
        return
    report.accepted += len(whole.seen)
    for name, oracle in (("h11", by_h11(stream)), ("llhttp", by_llhttp(stream))):
        if difference := disagreement(whole, oracle):
            report.note(f"{name} {difference}", stream)
        if len(oracle.seen) > len(whole.seen):
            report.stricter[f"{name}: {whole.refused}"] += 1


def compare(cases: int, seed: int, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Check so many streams, the same ones for the same seed."""
    report = Report()
    with socket.socket() as sock:
        settings = WaitressSettings(Limits(), sock)
    for number in range(cases):
        check(settings, random.Random(seed * 1_000_000_007 + number), report)
        if number % 1000 == 999:
            progress(f"{number + 1} of {cases} streams, bad: {sum(report.kinds.values())}")
    return report


def run(size: int, verdict: bar.Report) -> None:
    """Compare so many streams."""
    report = compare(size, 1, verdict.progress)
    stricter = sum(report.stricter.values())
    verdict.figure(f"{report.cases} streams, {report.accepted} requests accepted")
    verdict.figure(f"{stricter} times stricter than an oracle")
    raised = sum(count for kind, count in report.kinds.items() if kind.startswith("raises"))
    split = report.kinds["depends on the split"]
    verdict.expect(raised == 0, f"{raised} exceptions")
    verdict.expect(split == 0, f"{split} that depend on how they are cut")
    other = sum(report.kinds.values()) - raised - split
    verdict.expect(other == 0, f"{other} read otherwise than by h11 or llhttp")
    for kind, stream in report.bad:
        verdict.missed.append(f"{kind}: {stream!r}")


BAR = bar.Bar(
    2, "differential", "requests are read as h11 and llhttp read them", 200_000, 4000, run
)
