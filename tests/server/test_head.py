"""What is a head of a request, and what is refused: the strict reading of RFC 9112."""

import tracemalloc

import pytest

from fcplug.server.head import HeadError, RequestHead, parse
from fcplug.server.known_lines import KnownLines


def head(*lines: str | bytes) -> bytes:
    encoded = (line if isinstance(line, bytes) else line.encode("latin-1") for line in lines)
    return b"\r\n".join([*encoded, b"", b""])


def parsed(*lines: str | bytes) -> RequestHead:
    return parse(head(*lines), 128, KnownLines())


def refused(*lines: str | bytes) -> str:
    with pytest.raises(HeadError) as caught:
        parsed(*lines)
    for line in lines:
        secret = line if isinstance(line, bytes) else line.encode("latin-1")
        assert len(secret) < 12 or secret not in caught.value.refusal.body
    return caught.value.refusal.status[:3]


def test_a_request_is_read() -> None:
    assert parsed(
        "POST /2016/invoke%20now?a=b%20c HTTP/1.1",
        "Host: localhost:9000",
        "X-Fc-Request-Id:\t 1-2-3 \t",
        "Content-Length: 0012",
        "Empty:",
    ) == RequestHead(
        method="POST",
        target="/2016/invoke%20now?a=b%20c",
        path="/2016/invoke now",
        query="a=b%20c",
        version="1.1",
        headers={
            "HTTP_HOST": "localhost:9000",
            "HTTP_X_FC_REQUEST_ID": "1-2-3",
            "CONTENT_LENGTH": "0012",
            "HTTP_EMPTY": "",
        },
        content_length=12,
    )


def test_fields_of_one_name_are_joined_in_order() -> None:
    headers = parsed("GET / HTTP/1.1", "Host: a", "Accept: b", "X: c", "accept: d").headers
    assert headers["HTTP_ACCEPT"] == "b, d"


def test_a_field_with_an_underscore_is_dropped_and_cannot_pass_for_another() -> None:
    headers = parsed(
        "GET / HTTP/1.1", "Host: a", "x_fc_request_id: 1", "X-Fc-Request-Id: 2"
    ).headers
    assert headers == {"HTTP_HOST": "a", "HTTP_X_FC_REQUEST_ID": "2"}


def test_latin_1_passes_as_it_came() -> None:
    assert (
        parsed("GET / HTTP/1.1", "Host: a", b"X: caf\xe9 \xa0").headers["HTTP_X"] == "caf\xe9 \xa0"
    )


def test_an_escaped_path_is_decoded_and_its_query_is_not() -> None:
    head = parsed("GET /%E4%BD%A0%0a?%0a HTTP/1.1", "Host: a")
    assert (head.path, head.query) == ("/\xe4\xbd\xa0\n", "%0a")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://a/b?c", "/b", "c"),
        ("http://A", "/", ""),
        ("https://a?b", "/", "b"),
        ("//b/c", "//b/c", ""),
    ],
)
def test_an_absolute_target_counts_by_its_path_when_it_names_the_host(
    target: str, path: str, query: str
) -> None:
    head = parsed(f"GET {target} HTTP/1.1", "Host: a")
    assert (head.path, head.query) == (path, query)


@pytest.mark.parametrize(
    ("value", "kept"),
    [("close", "close"), ("Foo, Close", "close"), ("keep-alive, x", "keep-alive"), ("x", "x")],
)
def test_the_connection_option_that_matters_stands_alone(value: str, kept: str) -> None:
    headers = parsed("GET / HTTP/1.1", "Host: a", f"Connection: {value}").headers
    assert headers["HTTP_CONNECTION"] == kept


def test_an_offer_to_upgrade_is_passed_over() -> None:
    lines = ("Host: a", "Connection: upgrade", "Upgrade: h2c", "Content-Length: 3")
    assert parsed("POST / HTTP/1.1", *lines).content_length == 3


def test_http_1_0_needs_no_host_and_waits_for_no_continue() -> None:
    head = parsed("POST / HTTP/1.0", "Content-Length: 5", "Expect: 100-continue")
    assert (head.version, head.expects_continue) == ("1.0", False)


def test_a_continue_is_expected_only_before_a_body() -> None:
    expect = "Expect: 100-Continue"
    assert parsed("POST / HTTP/1.1", "Host: a", expect, "Content-Length: 1").expects_continue
    assert parsed(
        "POST / HTTP/1.1", "Host: a", expect, "Transfer-Encoding: chunked"
    ).expects_continue
    assert not parsed("POST / HTTP/1.1", "Host: a", expect).expects_continue


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/9.9",
        "GET / http/1.1",
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "get / HTTP/1.1",
        "HELLO / HTTP/1.1",
        "PRI * HTTP/2.0",
        "SETUP / RTSP/1.0",
        "SOURCE / ICE/1.0",
        "GET p HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://other/ HTTP/1.1",
        "GET http://u@a/ HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET http:///x HTTP/1.1",
    ],
)
def test_a_bad_first_line_is_refused(line: str | bytes) -> None:
    assert refused(line, "Host: a") == "400"


@pytest.mark.parametrize(
    "lines",
    [
        ("Host : a",),
        ("Host: a", " folded"),
        ("Host: a", "X: a", "\tfolded"),
        (" Host: a",),
        ("Host: a", "no colon"),
        ("Host: a", ": no name"),
        ("Host: a", "na me: x"),
        ("Host: a", "n\xe4me: x"),
        ("Host: a", b"X: bare\rcr"),
        ("Host: a", b"X: bare\nlf"),
        *(("Host: a", bytes([*b"X: a", control, *b"b"])) for control in (0, 1, 8, 11, 12, 27, 31)),
        *(("Host: a", bytes([*b"X: a", control, *b"b"])) for control in (0x7F,)),
        ("Host: a", "Host: a"),
        ("Host: a, b",),
        ("Host: a b",),
        ("Host: a/b",),
        ("Host: u@a",),
        ("Host: a", "X-Fc-Access-Key-Id: 1", "x-fc-access-key-id: 1"),
        ("Host: a", "Content-Type: a/b", "Content-Type: a/b"),
        ("Host: a", "Authorization: a", "Authorization: b"),
        ("Host: a", "Expect: 100-continue", "Expect: 100-continue"),
        ("Host: a", "Content-Length: 1", "Content-Length: 1"),
        ("Host: a", "Content-Length: 1, 1"),
        ("Host: a", "Content-Length: -1"),
        ("Host: a", "Content-Length: +1"),
        ("Host: a", "Content-Length: 1 1"),
        ("Host: a", "Content-Length: 0x1"),
        ("Host: a", "Content-Length: 1_1"),
        ("Host: a", "Content-Length: \xb2"),
        ("Host: a", "Content-Length:"),
        ("Host: a", "Content-Length: " + "9" * 5000),
        ("Host: a", "Content-Length: " + "0" * 18 + "1"),
        ("Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"),
        ("Host: a", "Transfer-Encoding: chunked", "Content-Length: 1"),
        ("Host: a", "Transfer-Encoding: chunked, chunked"),
        ("Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Host: a", "Transfer-Encoding:"),
        ("Host: a", "Transfer-Encoding: identity"),
        ("Host: a", "Transfer-Encoding: \x0bchunked"),
        ("X: a",),
    ],
)
def test_bad_fields_are_refused(lines: tuple[str | bytes, ...]) -> None:
    assert refused("POST / HTTP/1.1", *lines) == "400"


def test_http_1_0_with_chunks_is_refused() -> None:
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == "400"


def test_what_http_knows_and_this_server_does_not_is_501() -> None:
    assert refused("CONNECT a:1 HTTP/1.1", "Host: a") == "501"
    assert refused("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked") == "501"


def test_the_number_of_fields_is_bounded() -> None:
    fields = [f"X-{n}: a" for n in range(127)]
    assert len(parsed("GET / HTTP/1.1", "Host: a", *fields).headers) == 128
    assert refused("GET / HTTP/1.1", "Host: a", *fields, "One-More: a") == "431"
    assert refused("GET / HTTP/1.1", "Host: a", *fields, "one_dropped: a") == "431"


def test_names_that_a_client_makes_up_do_not_stay_in_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(1024):
            parsed("GET / HTTP/1.1", "Host: x", f"{'x' * 60_000}{number}: 1")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20_000_000
