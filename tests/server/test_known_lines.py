"""The memory of header lines: what it keeps, and that reading does not depend on it."""

import pytest

from fcplug import protocol
from fcplug.server.head import HeadError, parse
from fcplug.server.known_lines import MAX_LINES, MAX_SIZE, KnownLines

FIRST = b"POST /invoke HTTP/1.1"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([FIRST, *lines, b"", b""])


def remembered(*lines: bytes) -> list[bytes]:
    known = KnownLines()
    parse(head(*lines), 128, known)
    return list(known)


def test_lines_that_come_with_every_call_are_remembered() -> None:
    lines = [b"Host: a", b"User-Agent: b/1", b"X-Fc-Region: c", b"x-fc-control-path: /invoke"]
    assert remembered(*lines, b"X-Fc-Request-Id: 1") == lines


@pytest.mark.parametrize(
    "name",
    [
        *protocol.CREDENTIAL_HEADERS,
        protocol.SIGNATURE,
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "X-Amz-Security-Token",
        "Signature",
        "x_fc_region",
    ],
)
def test_a_credential_is_not_remembered_and_neither_is_a_name_that_is_not_known(name: str) -> None:
    assert remembered(b"Host: a", b"%b: secret" % name.encode()) == [b"Host: a"]


@pytest.mark.parametrize(
    "line", [b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Upgrade: h2c", b"Expect: x"]
)
def test_what_frames_the_body_is_not_remembered(line: bytes) -> None:
    assert remembered(b"Host: a", line) == [b"Host: a"]


def test_a_long_line_is_not_remembered_and_neither_is_one_of_other_letters() -> None:
    fits = b"Accept: ".ljust(MAX_SIZE, b"x")
    assert remembered(b"Host: a", fits) == [b"Host: a", fits]
    assert remembered(b"Host: a", fits + b"x", b"X-Fc-Region: caf\xe9") == [b"Host: a"]


def test_no_line_of_a_refused_head_is_remembered() -> None:
    known = KnownLines()
    for lines in ((b"Host: a", b"Host: b"), (b"Host: a", b"bad"), (b"Accept: a",)):
        with pytest.raises(HeadError):
            parse(head(*lines), 128, known)
    assert list(known) == []


def test_the_memory_is_bounded() -> None:
    known = KnownLines()
    for number in range(3 * MAX_LINES):
        parse(head(b"Host: a", b"Accept: %d" % number), 128, known)
        assert len(list(known)) <= MAX_LINES
    assert b"Accept: %d" % (3 * MAX_LINES - 1) in known


def test_known_lines_keep_their_order_among_new_ones_and_are_joined_with_them() -> None:
    known = KnownLines()
    for _ in range(2):
        read = parse(head(b"Accept: a", b"X: 1", b"Host: a", b"Accept: a, b"), 128, known)
        assert list(read.headers.items()) == [
            ("HTTP_ACCEPT", "a, a, b"),
            ("HTTP_X", "1"),
            ("HTTP_HOST", "a"),
        ]


@pytest.mark.parametrize(
    "lines",
    [
        (b"Host: a", b"Host: a"),
        (b"Host: a", b"X-Fc-Region: b", b"x-fc-region: b"),
        (b"Host: a", b" folded"),
        (b"Host: a", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        (b"Accept: a",),
        (b"Host: a", b"Accept : a"),
        (b"Host: a", b"Accept: a\r", b"Accept: a"),
        (b"Host: a", b"Accept: a\nAccept: a"),
        (b"Host: a", *[b"Accept: a"] * 128),
    ],
)
def test_a_head_of_known_lines_is_refused_for_the_same_reason(lines: tuple[bytes, ...]) -> None:
    known = KnownLines()
    parse(head(b"Host: a", b"Accept: a", b"X-Fc-Region: b"), 128, known)
    with pytest.raises(HeadError) as first:
        parse(head(*lines), 128, KnownLines())
    with pytest.raises(HeadError) as again:
        parse(head(*lines), 128, known)
    assert again.value.refusal == first.value.refusal


def test_a_known_line_in_the_place_of_the_first_is_refused() -> None:
    known = KnownLines()
    parse(head(b"Host: a", b"Accept: a"), 128, known)
    with pytest.raises(HeadError):
        parse(b"Accept: a\r\n" + head(b"Host: a"), 128, known)
