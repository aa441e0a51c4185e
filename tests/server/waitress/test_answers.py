"""What a client sees of a server over a socket."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.served import BLOB, Served, read_all, read_answer, request, served
from support.waiting import wait_until

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server"), max_body=8 * MIB) as server:
        yield server


def exchange(server: Served, data: bytes) -> tuple[int, dict[str, str], bytes]:
    with server.connect() as sock:
        sock.sendall(data)
        return read_answer(sock)


def test_a_request_is_answered_and_the_connection_kept(server: Served) -> None:
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(request("POST", "/echo", b"event"))
            status, fields, body = read_answer(sock)
            assert (status, body) == (200, b"event")
            assert set(fields) == {"content-length", "date"}


def test_pipelined_requests_are_answered_in_order(server: Served) -> None:
    bodies = [b"%d" % n * n for n in range(1, 9)]
    data = b"".join(request("POST", "/echo", body) for body in bodies)
    answers = server.send(data + request("GET", "/", close=True))
    assert [part.split(b"HTTP/1.1")[0] for part in answers.split(b"\r\n\r\n")[1:-1]] == bodies


def test_the_application_sees_the_request(server: Served) -> None:
    fields = ("X-Fc-Request-Id: 1", "Accept: a", "Accept: b", "Content-Type: c/d", "Under_score: x")
    forwarded = ("X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4")
    data = request("PUT", "/environ", b"x", *fields, *forwarded)
    environ = json.loads(exchange(server, data)[2])
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"
    assert environ["HTTP_FORWARDED"] == "for=1.2.3.4"
    assert environ["REQUEST_METHOD"] == "PUT"
    assert environ["HTTP_X_FC_REQUEST_ID"] == "1"
    assert environ["HTTP_ACCEPT"] == "a, b"
    assert environ["CONTENT_TYPE"] == "c/d"
    assert environ["CONTENT_LENGTH"] == "1"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert not any("SCORE" in name for name in environ)


def test_http_1_0_is_answered_and_closed_or_kept_as_asked(server: Served) -> None:
    data = request("GET", "/", version="1.0")
    assert server.send(data).startswith(b"HTTP/1.0 200")
    kept = request("GET", "/", None, "Connection: keep-alive", version="1.0")
    assert server.send(kept + data).count(b"HTTP/1.0 200") == 2


def test_a_client_that_waits_for_a_continue_gets_one(server: Served) -> None:
    data = request("POST", "/echo", b"hello", "Expect: 100-continue")
    with server.connect() as sock:
        sock.sendall(data[:-5])
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(data[-5:])
        assert read_answer(sock)[2] == b"hello"
        sock.sendall(request("GET", "/", None, "Expect: 100-continue"))
        assert read_answer(sock)[0] == 200


def test_a_chunked_body_arrives_whole(server: Served) -> None:
    head = request("POST", "/echo", None, "Transfer-Encoding: chunked")
    wire = b"".join(b"%x\r\n%b\r\n" % (n, b"x" * n) for n in range(1, 500))
    assert exchange(server, head + wire + b"0\r\n\r\n")[2] == b"x" * sum(range(500))


def test_a_head_answer_has_no_body(server: Served) -> None:
    data = server.send(request("HEAD", "/") + request("GET", "/", close=True))
    assert data.count(b"hello") == 1
    assert data.count(b"Content-Length: 5") == 2
    assert b"one" not in server.send(request("HEAD", "/stream", close=True))


def test_a_streamed_answer_is_sent_in_chunks(server: Served) -> None:
    data = server.send(request("GET", "/stream") + request("GET", "/stream", close=True))
    assert data.count(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n") == 2  # on one connection
    assert data.endswith(b"0\r\n\r\n")


SECRET = b"s3cr3t-4711"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Key: %b\x01\r\n\r\n" % SECRET, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % SECRET, 400),
        (b"GET /%b HTTP/3.0\r\nHost: a\r\n\r\n" % SECRET, 400),
        (b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % SECRET.upper(), 400),
        (b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % SECRET, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % SECRET, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: a, chunked\r\n\r\n", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 128 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01", 400),
    ],
)
def test_an_invalid_request_gets_an_error_document_and_the_connection_closes(
    server: Served, data: bytes, status: int
) -> None:
    with server.connect() as sock:
        sock.sendall(data)
        got, fields, body = read_answer(sock)
        assert sock.recv(1) == b""
    assert got == status
    assert (fields["content-type"], fields["x-fc-status"]) == ("application/json", "404")
    assert fields["connection"] == "close"
    assert set(json.loads(body)) == {"errorMessage", "errorType"}
    assert SECRET.lower() not in body.lower()
    assert SECRET.decode() not in server.log


def test_what_follows_a_refused_request_is_not_answered(server: Served) -> None:
    data = request("POST", "/", b"", "Transfer-Encoding: chunked") + request("GET", "/") * 3
    assert server.send(data).count(b"HTTP/1.1") == 1


def test_a_body_over_the_limit_is_refused_while_the_client_still_sends(server: Served) -> None:
    body = b"x" * (8 * MIB + 1)
    assert exchange(server, request("POST", "/echo", body))[0] == 413
    assert exchange(server, request("POST", "/echo", body[1:]))[2] == body[1:]
    head = request("POST", "/echo", None, "Transfer-Encoding: chunked")
    chunks = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 129
    assert exchange(server, head + chunks)[0] == 413


def test_a_client_that_never_stops_sending_after_a_refusal_is_cut_off(server: Served) -> None:
    with server.connect() as sock:
        sock.sendall(request("POST", "/echo", None, f"Content-Length: {1 << 40}"))
        with pytest.raises(OSError, match=r"reset|pipe"):
            sock.sendall(b"x" * 100 * MIB)


@pytest.mark.parametrize("what", ["exit", "interrupt", "generator", "stop", "os", "value", "base"])
def test_any_exception_of_the_application_is_answered_and_the_connection_kept(
    server: Served, what: str
) -> None:
    with server.connect() as sock:
        for _ in range(6):  # more than there are threads
            sock.sendall(request("GET", f"/raise?{what}"))
            status, fields, body = read_answer(sock)
            assert (status, fields["x-fc-status"]) == (404, "404")
            assert json.loads(body)["errorType"] == "InternalError"
        sock.sendall(request("HEAD", f"/raise?{what}") + request("GET", "/", close=True))
        assert read_all(sock).endswith(b"hello")


def test_an_application_that_fails_in_the_middle_closes_the_connection(server: Served) -> None:
    data = server.send(request("GET", "/late"))
    assert data.startswith(b"HTTP/1.1 200 OK")
    assert data.endswith(b"half.")


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("200 OK", [["X-Bad", "a\r\nSet-Cookie: b"]]),
        ("200 OK", [["X-Bad", "\u4f60"]]),
        ("200 OK", [["X-Bad", "a\x00b"]]),
        ("200 OK", [["X-Bad", "a\x7fb"]]),
        ("200 OK", [["X Bad", "a"]]),
        ("200 OK", [["", "a"]]),
        ("200 OK", [["X-Bad\r\n", "a"]]),
        ("200 OK", [["Connection", "close"]]),
        ("200 OK", [["Transfer-Encoding", "chunked"]]),
        ("200 OK", [["Content-Length", "many"]]),
        ("200 OK\r\nX: a", []),
        ("200 \u4f60", []),
        ("100 Continue", []),
        ("hello", []),
    ],
)
def test_an_answer_that_cannot_be_sent_becomes_an_error_document(
    server: Served, status: str, fields: list[list[str]]
) -> None:
    body = json.dumps([status, fields]).encode()
    with server.connect() as sock:
        for _ in range(2):
            sock.sendall(request("POST", "/fields", body))
            assert read_answer(sock)[0] == 404


def test_good_answers_are_sent_as_they_are(server: Served) -> None:
    utf8 = "\u00c9\u4f60".encode().decode("latin-1")  # with bytes that latin-1 calls control
    body = json.dumps(["299", [["x-y", f"caf\xe9\ttab{utf8}"]]]).encode()
    status, fields, _ = exchange(server, request("POST", "/fields", body))
    assert (status, fields["x-y"]) == (299, f"caf\xe9\ttab{utf8}")


def test_a_body_longer_than_its_length_is_cut_and_the_connection_kept(server: Served) -> None:
    body = json.dumps(["200 OK", [["Content-Length", "1"]]]).encode()
    with server.connect() as sock:
        for _ in range(2):
            sock.sendall(request("POST", "/fields", body))
            assert read_answer(sock)[2] == b"o"
    cut = "body is longer than its Content-Length, 1: it is cut"
    wait_until(lambda: server.log.count(cut) == 2)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_the_body_of_an_answer_that_has_none_is_dropped(server: Served, status: str) -> None:
    body = json.dumps([status, []]).encode()
    with server.connect() as sock:
        sock.sendall(request("POST", "/fields", body) + request("GET", "/", close=True))
        data = read_all(sock)
    assert data.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert b"ok" not in data.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1 ")[0]
    assert data.endswith(b"hello")
    assert f"an answer with status {status!r} has no body: it is dropped" in server.log


def test_health_is_answered_while_every_worker_is_busy(server: Served, tmp_path: Path) -> None:
    socks = [server.connect() for _ in range(8)]
    for number, sock in enumerate(socks):
        sock.sendall(request("GET", f"/wait?{tmp_path / str(number)}"))
    wait_until(lambda: len(list(tmp_path.glob("*.in"))) == 4)
    assert exchange(server, request("GET", "/health"))[2] == b"fine"
    assert exchange(server, b"GET / HTTP/9.9\r\n\r\n")[0] == 400
    for number, sock in enumerate(socks):
        (tmp_path / str(number)).touch()
        assert read_answer(sock)[0] == 200
        sock.close()


def test_a_pipelined_health_check_keeps_its_place(server: Served) -> None:
    data = server.send(
        request("GET", "/") + request("GET", "/health") + request("GET", "/", close=True)
    )
    assert [data.index(b"hello") < data.index(b"fine"), data.count(b"hello")] == [True, 2]


def test_the_limit_of_the_body_is_inclusive_and_the_bytes_come_back(server: Served) -> None:
    body = BLOB * 8
    assert exchange(server, request("POST", "/echo", body))[2] == body


def test_a_client_that_closes_its_half_early_loses_nothing_it_sent(server: Served) -> None:
    with server.connect() as sock:
        sock.sendall(request("POST", "/echo", b"event"))
        sock.shutdown(socket.SHUT_WR)
        assert read_answer(sock)[2] == b"event"


def test_clients_that_go_away_cost_nothing(server: Served) -> None:
    before = server.fds()
    upload = request("POST", "/echo", BLOB * 2)[:-1]
    for data in (request("GET", "/sleep?0.1"), request("GET", "/big?8"), upload, b"GET"):
        for _ in range(5):
            with server.connect() as sock:
                sock.sendall(data)
    wait_until(lambda: server.fds() <= before + 1)
    assert exchange(server, request("GET", "/health"))[0] == 200


def test_the_log_of_all_this_is_about_applications_only(server: Served) -> None:
    lines = [line for line in server.log.splitlines() if "uncaptured" in line or "broke" in line]
    assert lines == []
    assert "queue depth" not in server.log
    assert "Warning" not in server.log
