"""The heads of one connection: reading one does not depend on those before it."""

import pytest

from fcplug.server.head import HeadError, RequestHead, parse
from fcplug.server.head_reader import MAX_SIZE, HeadReader
from fcplug.server.known_lines import KnownLines
from fcplug.server.refusal import Refusal

FIRST = b"POST /invoke HTTP/1.1"
CALL = (b"Host: a", b"Content-Length: 3", b"X-Fc-Request-Id: 1", b"X-Fc-Region: b", b"X: 1")


def head(*lines: bytes, first: bytes = FIRST) -> bytes:
    return b"\r\n".join([first, *lines, b"", b""])


def fresh(data: bytes) -> RequestHead | Refusal:
    return outcome(HeadReader(128, KnownLines()), data)


def outcome(reader: HeadReader, data: bytes) -> RequestHead | Refusal:
    try:
        return reader.read(data)
    except HeadError as error:
        return error.refusal


@pytest.mark.parametrize(
    "data",
    [
        head(*CALL),
        head(*CALL[:2], b"X-Fc-Request-Id: 2", *CALL[3:]),
        head(CALL[0], b"Content-Length: 4", *CALL[2:]),
        head(CALL[0], b"content-length: 5", b"x-fc-request-id: 2", *CALL[3:]),
        head(CALL[0], b"Content-Length: x", *CALL[2:]),
        head(CALL[0], b"Content-Length: 1, 1", *CALL[2:]),
        head(CALL[0], b"Content-Length: " + b"0" * 18 + b"1", *CALL[2:]),
        head(CALL[0], b"Transfer-Encoding: chunked", *CALL[2:]),
        head(*CALL[:2], b"Transfer-Encoding: chunked", *CALL[3:]),
        head(*CALL[:2], b"Content-Length: 3", *CALL[3:]),
        head(b"Host: b", *CALL[1:]),
        head(b"Host: a b", *CALL[1:]),
        head(b"X: 2", *CALL[1:]),
        head(*CALL[:4], b"X_Fc_Region: b"),
        head(*CALL[:4], b"X-Fc-Region: b"),
        head(*CALL[:4], b" folded"),
        head(*CALL[:4], b"X: a\nY: b"),
        head(*CALL[:4], b"X: a\r"),
        head(*CALL[:4], b"X: a\x00"),
        head(*CALL[:4], b"X : a"),
        head(*CALL[:4], b"X: caf\xe9"),
        head(*CALL[:4], b"Connection: x, close"),
        head(*reversed(CALL)),
        head(*CALL[:-1]),
        head(*CALL, b"Y: 1"),
        head(*CALL, first=b"GET /other?a=b HTTP/1.1"),
        head(*CALL, first=b"POST /invoke HTTP/1.0"),
        head(*CALL, first=b"POST http://b/ HTTP/1.1"),
        head(*CALL, first=b"X: 1"),
        head(*CALL, first=b"POST /invoke HTTP/2.0"),
    ],
)
def test_the_next_head_is_read_as_if_it_were_the_first(data: bytes) -> None:
    reader = HeadReader(128, KnownLines())
    reader.read(head(*CALL))
    assert outcome(reader, data) == fresh(data)
    again = head(*CALL)
    assert outcome(reader, again) == fresh(again)


def test_a_length_that_comes_again_is_that_of_the_last_head() -> None:
    reader = HeadReader(128, KnownLines())
    for length in (3, 0, 0, 5, 5, 5):
        data = head(CALL[0], b"Content-Length: %d" % length, *CALL[2:])
        assert outcome(reader, data) == fresh(data)


def test_a_next_head_has_its_fields_in_their_order() -> None:
    reader = HeadReader(128, KnownLines())
    reader.read(head(*CALL))
    read = reader.read(head(CALL[0], b"Content-Length: 4", b"X-Fc-Request-Id: 2", *CALL[3:]))
    assert list(read.headers.items()) == [
        ("HTTP_HOST", "a"),
        ("CONTENT_LENGTH", "4"),
        ("HTTP_X_FC_REQUEST_ID", "2"),
        ("HTTP_X_FC_REGION", "b"),
        ("HTTP_X", "1"),
    ]
    assert read.content_length == 4


def test_what_is_changed_in_the_headers_of_a_request_is_not_in_the_next() -> None:
    reader = HeadReader(128, KnownLines())
    data = head(*CALL)
    for _ in range(3):
        read = reader.read(data)
        assert read == fresh(data)
        read.headers["HTTP_CONNECTION"] = "close"
        read.headers["CONTENT_LENGTH"] = "7"


@pytest.mark.parametrize(
    "lines",
    [
        (b"Host: a", b"Transfer-Encoding: chunked", b"X: 1"),
        (b"Host: a", b"Cookie: a", b"Cookie: b", b"X: 1"),
        (b"Host: a", b"x_y: 1", b"X: 1"),
    ],
)
def test_heads_whose_fields_are_joined_or_left_out_are_read_again(lines: tuple[bytes, ...]) -> None:
    reader = HeadReader(128, KnownLines())
    for number in range(3):
        data = head(*lines[:-1], b"X: %d" % number)
        assert outcome(reader, data) == parse(data, 128, KnownLines())


@pytest.mark.parametrize("before", [CALL, CALL[:-1]])
def test_a_large_head_is_not_kept(before: tuple[bytes, ...]) -> None:
    secret = "s3cr3t" * (MAX_SIZE // 6)
    reader = HeadReader(128, KnownLines())
    reader.read(head(*before))
    data = head(*CALL[:-1], b"X: " + secret.encode())
    assert outcome(reader, data) == fresh(data)
    kept = [value for value in vars(reader).values() if secret in repr(value)]
    assert kept == []
