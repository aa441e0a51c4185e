"""The answer of an application: what PEP 3333 says about it, and what a client gets."""

import io
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.loop import Server
from support.served import express, request
from support.waiting import PATIENCE

App = Callable[[Any, Any], Any]

BOTH = request("GET", "/") + request("GET", "/", close=True)


def ask(app: App, data: bytes) -> bytes:
    """Return all that a client gets until its connection ends."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(app, sock, WaitressSettings(Limits(threads=1), sock), express=express)
        with socket.create_connection(sock.getsockname(), timeout=PATIENCE) as client:
            client.sendall(data)
            answers, until = b"", time.monotonic() + PATIENCE
            while True:
                server.turn(0.02)
                assert time.monotonic() < until, "the connection does not end"
                if select.select([client], [], [], 0)[0]:
                    part = client.recv(1 << 16)
                    answers += part
                    if not part:
                        break
        server.close()
    return answers


class Parts:
    """A body that says whether it was closed."""

    def __init__(self, *parts: bytes, then: Exception | None = None) -> None:
        self._parts, self._then = parts, then
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._then:
            raise self._then

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        ("200 OK", [("Upgrade", "a")], "the header field 'Upgrade' is hop-by-hop"),
        ("200 OK", [("transfer-encoding", "a")], "'transfer-encoding' is hop-by-hop"),
        ("200 OK", [("X-A", "secret\r\nX-B: c")], "'X-A' is not two str of one line each"),
        ("200 OK", [("X-A", 1)], "'X-A' is not two str of one line each"),
        ("200 OK", [(b"X-A", "secret")], "the header field b'X-A' is not two str"),
        ("200 OK\r\nX-A: secret", [], "the status is not a str of one line"),
        (b"200 OK", [], "the status is not a str of one line"),
    ],
)
def test_a_head_that_cannot_be_sent_is_refused_by_start_response(
    status: Any, fields: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caught = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            start_response(status, fields)
        except Exception as error:
            caught.append(str(error))
            raise
        return [b"no"]

    answers = ask(app, BOTH)
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == len(caught) == 2
    assert why in caught[0]
    assert "secret" not in caplog.text
    assert b"X-B" not in answers


def test_start_response_comes_once(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return [b"no"]

    assert ask(app, request("GET", "/", close=True)).startswith(b"HTTP/1.1 404 ")
    assert "start_response was called twice" in caplog.text


def test_an_error_replaces_a_head_that_was_not_sent() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "100"), ("X-A", "b")])
        try:
            raise ValueError("later")
        except ValueError:
            start_response("503 Later", [("Vary", "c")], sys.exc_info())
        return [b"sorry"]

    answers = ask(app, BOTH)
    assert answers.count(b"HTTP/1.1 503 Later\r\nVary: c\r\nContent-Length: 5\r\nDate") == 1
    assert answers.count(b"sorry") == 2
    assert b"X-A" not in answers


@pytest.mark.parametrize("given", [True, False])
def test_after_the_first_bytes_start_response_raises(given: bool) -> None:
    caught = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "8")])
        yield b"half"
        try:
            raise ValueError("too late")
        except ValueError:
            error = sys.exc_info()
        try:
            start_response("500 Failed", [], error if given else (None, None, None))
        except Exception as error:
            caught.append(error)
        yield b"half"

    assert ask(app, request("GET", "/", close=True)).endswith(b"halfhalf")
    (error,) = caught
    assert isinstance(error, ValueError) is given


@pytest.mark.parametrize("left", [[], [b"c"], [b"", b"c"]])
def test_what_is_written_comes_first_in_chunks(
    left: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        write(b"b")
        return left

    answers = ask(app, BOTH)
    end = b"".join(b"1\r\n%b\r\n" % part for part in left if part) + b"0\r\n\r\n"
    assert answers.count(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n" + end) == 2  # the connection is kept
    assert not caplog.records


@pytest.mark.parametrize(("body", "length"), [([b"ab"], 2), ([b""], 0), ((b"ab",), 2)])
def test_the_only_part_gives_the_length(body: Any, length: int) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    for method in ("GET", "HEAD"):
        answers = ask(app, request(method, "/") + request(method, "/", close=True))
        assert answers.count(b"\r\nContent-Length: %d\r\n" % length) == 2
        assert answers.count(b"ab") == (2 if length and method == "GET" else 0)


def test_a_body_shorter_than_its_length_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bodies = [[b"12345"], [b"123"], [b"never"]]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])  # known, when it comes again
        return bodies.pop(0)

    answers = ask(app, request("GET", "/") * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"\r\n\r\n123")
    assert "the application's body has 3 bytes; its Content-Length is 5" in caplog.text
    assert bodies == [[b"never"]]


def test_no_body_for_a_length_ends_the_connection() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return []

    answer = ask(app, request("GET", "/"))
    assert answer.count(b"Connection: close\r\n") == 1


@pytest.mark.parametrize("then", [None, ValueError("in the middle"), OSError("no such file")])
def test_a_body_is_closed_once(then: Exception | None) -> None:
    bodies = []

    def app(environ: Any, start_response: Any) -> Parts:
        start_response("200 OK", [])
        bodies.append(Parts(b"a", b"b", then=then))
        return bodies[-1]

    assert b"1\r\na\r\n1\r\nb\r\n" in ask(app, request("GET", "/", close=True))
    assert [body.closed for body in bodies] == [1]


@pytest.mark.parametrize("length", [None, 10, 4, 99])
def test_a_file_is_sent_with_its_length_and_closed(tmp_path: Path, length: int | None) -> None:
    path = tmp_path / "answer"
    path.write_bytes(b"0123456789")
    files: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        fields = [] if length is None else [("content-length", str(length))]
        start_response("200 OK", fields)
        files.append(path.open("rb"))
        return environ["wsgi.file_wrapper"](files[-1])

    answers = ask(app, BOTH)
    sent = min(length or 10, 10)
    assert answers.lower().count(b"content-length: %d\r\n" % sent) == 2
    assert answers.count(b"\r\n\r\n" + b"0123456789"[:sent]) == 2
    assert len(files) == 2
    assert all(file.closed for file in files)


def test_a_file_that_cannot_be_measured_is_sent_in_chunks() -> None:
    class Stream(io.RawIOBase):
        parts = [b"one", b"two"]

        def read(self, size: int = -1) -> bytes:
            return self.parts.pop(0) if self.parts else b""

    stream = Stream()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](stream)

    assert ask(app, request("GET", "/", close=True)).endswith(
        b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    )
    assert stream.closed
