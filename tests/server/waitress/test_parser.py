"""The parser of one request, from its bytes."""

import socket
import time

import pytest

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.parser import RequestParser
from support.served import request


@pytest.fixture(scope="module")
def settings() -> WaitressSettings:
    with socket.socket() as sock:
        return WaitressSettings(Limits(max_body=1000, max_header=2000), sock)


def feed(settings: WaitressSettings, data: bytes, size: int) -> tuple[RequestParser, int]:
    parser, taken = RequestParser(settings), 0
    while taken < len(data) and not parser.completed:
        taken += parser.received(data[taken : taken + size])
    return parser, taken


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_request_ends_where_its_body_does(settings: WaitressSettings, size: int) -> None:
    data = b"\r\n\r\n" + request("POST", "/a?b", b"hello")
    parser = RequestParser(settings)
    at = 0
    while True:  # as a channel does: a parser that took empty lines only is thrown away
        at += parser.received(data[at : at + size])
        if parser.empty:
            parser = RequestParser(settings)
        elif parser.completed:
            break
    assert at == len(data)
    assert (parser.command, parser.path, parser.query) == ("POST", "/a", "b")
    assert (parser.version, parser.request_uri, parser.error) == ("1.1", "/a?b", None)
    assert parser.get_body_stream().read() == b"hello"
    assert parser.headers["CONTENT_LENGTH"] == "5"
    parser.close()


def test_bytes_after_a_request_are_left(settings: WaitressSettings) -> None:
    parser, taken = feed(settings, request("GET", "/") + b"GET /next", 1000)
    assert (taken, parser.completed) == (len(request("GET", "/")), True)
    assert parser.received(b"GET /next") == 0


@pytest.mark.parametrize("size", [1, 1000])
def test_bytes_after_a_body_are_left_however_it_came(settings: WaitressSettings, size: int) -> None:
    head = request("POST", "/", None, "Content-Length: 05")
    parser, taken = feed(settings, head + b"helloGET /next", size)
    assert (taken, parser.completed, parser.error) == (len(head) + 5, True, None)
    assert parser.get_body_stream().read() == b"hello"
    assert (parser.headers["CONTENT_LENGTH"], parser.body_bytes_received) == ("5", 5)


def test_empty_lines_alone_are_not_a_request(settings: WaitressSettings) -> None:
    parser, taken = feed(settings, b"\r\n\r\n\r\n", 6)
    assert (parser.empty, parser.completed, taken) == (True, True, 6)


def test_a_chunked_body_becomes_one_with_a_length(settings: WaitressSettings) -> None:
    data = request("POST", "/", None, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    parser, taken = feed(settings, data, 4)
    assert (parser.completed, taken) == (True, len(data))
    assert parser.headers == {"HTTP_HOST": "localhost", "CONTENT_LENGTH": "3"}
    assert parser.get_body_stream().read() == b"abc"


def test_bytes_that_are_not_http_are_refused_at_the_first(settings: WaitressSettings) -> None:
    for first in (b"\x16\x03\x01", b"\n", b"\r\r", b" GET", b"get", b"\x00"):
        parser, _ = feed(settings, first, 1)
        assert parser.error, first


def test_a_refused_request_takes_all_that_follows(settings: WaitressSettings) -> None:
    data = request("GET", "/ /") + request("GET", "/")
    parser, taken = feed(settings, data, len(data))
    assert (taken, parser.completed, bool(parser.error)) == (len(data), True, True)


@pytest.mark.parametrize("size", [1, 700, 5000])
def test_a_head_is_bounded(settings: WaitressSettings, size: int) -> None:
    empty = len(request("GET", "/", None, "X: "))
    parser, _ = feed(settings, request("GET", "/", None, "X: " + "a" * (2000 - empty)), size)
    assert parser.error is None
    for data in (request("GET", "/", None, "X: " + "a" * (2001 - empty)), b"GET /" + b"a" * 2100):
        parser, _ = feed(settings, data, size)
        assert parser.error
        assert parser.error.status.startswith("431")


def test_a_body_is_limited_by_its_length_field_and_by_its_bytes(settings: WaitressSettings) -> None:
    parser, _ = feed(settings, request("POST", "/", b"x" * 1000), 5000)
    assert parser.error is None
    parser, _ = feed(settings, request("POST", "/", b"x" * 1001, "Expect: 100-continue"), 5000)
    assert parser.error
    assert parser.error.status.startswith("413")
    assert not parser.expect_continue


def test_a_continue_is_not_sent_to_a_client_that_did_not_wait(settings: WaitressSettings) -> None:
    data = request("POST", "/", b"hello", "Expect: 100-continue")
    waiting = RequestParser(settings)
    waiting.received(data[:-5])
    assert waiting.expect_continue
    eager = RequestParser(settings)
    eager.received(data)
    assert not eager.expect_continue


def test_a_head_byte_by_byte_costs_linear_time() -> None:
    with socket.socket() as sock:
        settings = WaitressSettings(Limits(), sock)

    def seconds(size: int) -> float:
        started = time.process_time()
        feed(settings, b"GET / HTTP/1.1\r\nX: " + b"a" * size, 1)
        return time.process_time() - started

    small, large = min(seconds(6000) for _ in range(3)), min(seconds(60_000) for _ in range(3))
    assert large < 10 * small * 5
