"""The decoders of bodies: the same bytes however they are split, in linear time."""

import time

import pytest
from waitress.buffers import OverflowableBuffer

from fcplug.server.waitress.body import ChunkedBody, FixedBody, RequestBody

WIRE = b'5;a=b;c="d e"\r\nhello\r\n0006\r\n world\r\n0\r\nTrailer: x\r\n\r\n'


def chunked(limit: int = 1000) -> ChunkedBody:
    return ChunkedBody(OverflowableBuffer(1 << 20), limit)


def feed(body: RequestBody, wire: bytes, size: int) -> int:
    taken = 0
    for at in range(0, len(wire), size):
        part = wire[at : at + size]
        while part and not body.completed and not body.error:
            count = body.received(part)
            taken, part = taken + count, part[count:]
    return taken


def content(body: RequestBody) -> bytes:
    return body.buffer.getfile().read()


@pytest.mark.parametrize("size", range(1, len(WIRE) + 6))
def test_chunks_are_joined_and_what_follows_is_left(size: int) -> None:
    body = chunked()
    assert feed(body, WIRE + b"GET /", size) == len(WIRE)
    assert (body.completed, body.error, content(body)) == (True, None, b"hello world")


def test_a_fixed_body_takes_its_length() -> None:
    body = FixedBody(OverflowableBuffer(1 << 20), 5)
    assert feed(body, b"hello world", 2) == 5
    assert (body.completed, content(body)) == (True, b"hello")


@pytest.mark.parametrize(
    "wire",
    [
        b"5\nhello\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\rx",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_5\r\nhello\r\n",
        b"\r\n5\r\nhello\r\n",
        b"\xb2\r\nhello\r\n",
        b"5;\r\nhello\r\n",
        b"5;a=\r\nhello\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b'5;a="b\x00"\r\nhello\r\n',
        b"5;" + b"a" * 300 + b"\r\nhello\r\n",
        b"5" * 300,
        b"0" * 16 + b"5\r\nhello\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nx: \x00\r\n\r\n",
        b"0\r\nx: " + b"a" * 300 + b"\r\n\r\n",
        b"0\r\n\rX",
    ],
)
def test_malformed_chunks_are_refused_however_they_are_cut(wire: bytes) -> None:
    wire += b"0\r\n\r\n" * 80
    for size in (1, 3, 7, len(wire)):
        body = chunked()
        feed(body, wire, size)
        assert body.error is not None
        assert body.error.status == "400 Bad Request"


@pytest.mark.parametrize("field", [b"Transfer-Encoding: chunked", b"content-length: 5"])
def test_a_trailer_field_may_not_frame_the_body(field: bytes) -> None:
    body = chunked()
    feed(body, b"0\r\na: b\r\n" + field + b"\r\n\r\n", 99)
    assert body.error is not None


def test_the_limit_is_inclusive() -> None:
    body = chunked(10)
    feed(body, b"a\r\n0123456789\r\n0\r\n\r\n", 99)
    assert content(body) == b"0123456789"
    for wire in (b"b\r\n", b"a\r\n0123456789\r\n1\r\n", b"f" * 16 + b"\r\n"):
        body = chunked(10)
        feed(body, wire, 99)
        assert body.error is not None
        assert body.error.status == "413 Content Too Large"


def test_bytes_that_are_not_data_are_limited() -> None:
    body = chunked(10**6)
    feed(body, b"1\r\nx\r\n" * 100_000, 1 << 16)
    assert body.error is not None
    body = chunked()
    feed(body, b"0\r\n" + b"a: b\r\n" * 100_000, 1 << 16)
    assert body.error is not None


def test_chunks_of_a_dozen_bytes_are_accepted_and_smaller_ones_are_not() -> None:
    body = chunked(10**7)
    feed(body, b"c\r\n0123456789ab\r\n" * 80_000, 1 << 16)
    assert body.error is None
    body = chunked(10**7)
    taken = feed(body, b"5\r\nhello\r\n" * 100_000, 1 << 16)
    assert body.error is not None
    assert taken < 200_000


def test_one_call_decodes_few_of_many_tiny_chunks_and_much_of_large_ones() -> None:
    wire = b"5\r\nhello\r\n" * 1000
    assert 0 < chunked(10**6).received(wire) <= len(wire) / 5
    assert 0 < chunked(10**6).received(b"0;a\r\n" + b"a: b\r\n" * 1000) <= 2000
    large = b"10000\r\n" + bytes(65536) + b"\r\n"
    assert chunked(10**6).received(large * 4) == 4 * len(large)


@pytest.mark.parametrize("size", [64, 4096, 1 << 18])
def test_the_time_is_linear_in_the_bytes(size: int) -> None:
    def seconds(chunks: int) -> float:
        wire = b"10\r\n0123456789abcdef\r\n" * chunks
        started = time.process_time()
        feed(chunked(1 << 30), wire, size)
        return time.process_time() - started

    seconds(1000)
    small, large = min(seconds(4000) for _ in range(3)), min(seconds(32_000) for _ in range(3))
    assert large < 8 * small * 4
