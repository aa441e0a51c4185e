"""Call one WSGI application: every valid way to answer, and every invalid one."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug.errors import InvalidResponse
from fcplug.web import wsgi_call
from fcplug.web.response import Response

Start = Callable[..., Any]


def call(application: Any, method: str = "GET") -> Response:
    environ: dict[str, Any] = {"REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    return wsgi_call.Caller(application).call(environ)


def answering(result: Any, status: str = "200 OK", *headers: tuple[str, str]) -> Any:
    """Return an application that answers so."""

    def application(_: Any, start_response: Start) -> Any:
        start_response(status, list(headers))
        return result

    return application


class Chunks:
    """A body that counts how often it is closed."""

    def __init__(self, *chunks: Any, fail: BaseException | None = None) -> None:
        self._chunks = iter(chunks)
        self._fail = fail
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        for chunk in self._chunks:
            return chunk
        raise self._fail or StopIteration

    def close(self) -> None:
        self.closed += 1


class Sequence:
    """What can be iterated only as Python once did it."""

    def __getitem__(self, index: int) -> bytes:
        return [b"a", b"b"][index]


@pytest.mark.parametrize(
    ("result", "chunks"),
    [
        ([b"a", b"", b"bc"], [b"a", b"bc"]),
        ((b"a", b"bc"), [b"a", b"bc"]),
        (iter([b"a", b"bc"]), [b"a", b"bc"]),
        (Sequence(), [b"a", b"b"]),
        (["grüß", b"x"], ["grüß".encode(), b"x"]),  # FC 2.0 sends text as UTF-8 ...
        (b"as it is", [b"as it is"]),  # ... and plain bytes as they are
        ("grüß", ["grüß".encode()]),  # ... and a plain text, too
        ("", []),
        ([], []),
        (b"", []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_body_is_passed_on_as_it_is_created(result: Any, chunks: list[bytes]) -> None:
    assert list(call(answering(result)).body) == chunks


@pytest.mark.parametrize(
    ("result", "length"),
    [
        ([b"five!"], "5"),
        ([], "0"),
        ((b"one",), "3"),
        (b"two!", "4"),
        (["ü"], "2"),
        ("ü", "2"),
        ("", "0"),
    ],
    ids=repr,
)
def test_a_whole_body_gets_a_content_length(result: Any, length: str) -> None:
    assert call(answering(result)).headers == [("Content-Length", length)]
    assert call(answering(result, "200 OK", ("content-length", length))).headers == [
        ("content-length", length)
    ]
    assert call(answering(result, "304 Not Modified")).headers == []
    assert call(answering(result), "HEAD").headers == []


def test_a_body_in_parts_gets_no_content_length() -> None:
    assert call(answering(iter([b"one"]))).headers == []
    assert call(answering([b"one", b"two"])).headers == []


def test_the_status_may_come_as_late_as_the_first_bytes() -> None:
    def application(_: Any, start_response: Start) -> Iterator[bytes]:
        yield b""
        start_response("201 Created", [("X-Late", "1")])
        yield b"late"

    response = call(application)
    assert (response.status, response.headers) == ("201 Created", [("X-Late", "1")])
    assert list(response.body) == [b"late"]


def test_what_is_written_comes_before_what_is_returned() -> None:
    def application(_: Any, start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        write(b"b")

        def rest() -> Iterator[bytes]:
            yield b"c"
            write(b"d")
            yield b"e"
            write(b"f")

        return rest()

    assert list(call(application).body) == [b"abc", b"de", b"f"]


def test_the_headers_keep_their_order_and_are_repeated() -> None:
    headers = [("Set-Cookie", "a=1"), ("ETag", '"x"'), ("Set-Cookie", "b=2"), ("X-N", "caf\xe9")]
    assert call(answering([b""], "200 OK", *headers)).headers[:4] == headers


def test_a_second_status_with_an_error_replaces_the_first() -> None:
    def application(_: Any, start_response: Start) -> list[bytes]:
        start_response("200 OK", [("X-Old", "1")])
        error = ValueError("x")
        start_response("503 Down", [("X-New", "1")], (ValueError, error, None))
        return [b"sorry", b"!"]

    response = call(application)
    assert (response.status, response.headers) == ("503 Down", [("X-New", "1")])


def test_an_error_after_the_first_bytes_is_raised_again() -> None:
    def application(_: Any, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        error = KeyError("mine")
        start_response("500 Oh", [], (KeyError, error, None))
        yield b"never"

    response = call(application)
    assert next(response.body) == b"one"
    with pytest.raises(KeyError, match="mine"):
        next(response.body)


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (lambda *_: [b"x"], "without calling start_response"),
        (lambda *_: [], "without calling start_response"),
        (answering(None), "the application returned None"),
        (answering(3), "the application returned 3 (int)"),
        (answering(object()), "the application returned an object of type object"),
        (answering([3]), "the body holds 3 (int): give bytes"),
        (answering([b"", None]), "the body holds None"),
        (answering([bytearray(b"x")]), "the body holds an object of type bytearray"),
        (answering([b""], "600"), "the status is '600' (str): give three digits"),
        (answering([b""], "200\n"), "the status is '200\\n'"),
        (answering([b""], "OK"), "the status is 'OK'"),
        (answering([b""], "101 Switching Protocols"), "from 200 to 599"),
        (answering([b""], "600 More"), "from 200 to 599"),
        (answering([b""], "200 OK\r\nX: y"), "the status is '200 OK\\r\\nX: y'"),
        (answering([b""], 200), "the status is 200 (int)"),  # type: ignore[arg-type]
        (answering([b""], "200 OK", ("X Y", "z")), "a header's name is 'X Y'"),
        (answering([b""], "200 OK", ("", "z")), "a header's name is ''"),
        (answering([b""], "200 OK", ("X\n", "z")), "a header's name is 'X\\n'"),
        (answering([b""], "200 OK", ("X", "secret\n")), "the header X has a value"),
        (answering([b""], "200 OK", ("X", "你")), "encode other text as latin-1"),
        (answering([b""], "200 OK", ("X", 3)), "a header is"),  # type: ignore[arg-type]
        (answering([b""], "200 OK", ["X", 3]), "a header is an object of type tuple"),  # type: ignore[arg-type]
        (answering([b""], "200 OK", {"X": "3"}), "a header is an object of type dict"),  # type: ignore[arg-type]
        (answering([b""], "200 OK", ("X",)), "give a tuple of two str"),  # type: ignore[arg-type]
        (answering([b""], "200 OK", ("Content-Length", "two")), "Content-Length is not a number"),
        (answering([b""], "200 OK", ("Content-Length", "-1")), "Content-Length is not a number"),
        (answering([b""], "200 OK", ("Content-Length", "0"), ("content-length", "0")),
         "given twice"),
    ],
)  # fmt: skip
def test_the_error_for_an_invalid_answer_says_what_is_wrong(application: Any, message: str) -> None:
    with pytest.raises(InvalidResponse, match=re.escape(message)) as error:
        call(application)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "field"),
    [("200 OK\r\nX: y", ("X", "y")), ("200 OK", ("X\r\nY", "z")), ("200 OK", ("X", "y\r\nZ: z"))],
)
def test_what_cannot_be_sent_is_refused_each_time(status: str, field: tuple[str, str]) -> None:
    for _ in range(2):
        assert call(answering([b""], "200 OK", ("X", "y"))).status == "200 OK"
        with pytest.raises(InvalidResponse):
            call(answering([b""], status, field))


@pytest.mark.parametrize(("size", "refused"), [(5, 1), (None, "5")])
def test_fields_that_are_refused_change_nothing(size: int | None, refused: Any) -> None:
    sized = [("Content-Length", str(size))] if size else []

    def application(_: Any, start_response: Start) -> list[bytes]:
        start_response("200 OK", sized)
        with contextlib.suppress(InvalidResponse):
            start_response("200 OK", [("Content-Length", "5"), ("X", refused), ("Y", 1)])
        return [b"hello"]

    assert call(application).headers == [("Content-Length", "5")]


def test_a_list_with_an_iterator_of_its_own_is_iterated() -> None:
    class Pages(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            return iter((b"hello",))

    for pages in (Pages(), Pages([b"bye"]), Pages([b"a", b"b"])):
        assert list(call(answering(pages)).body) == [b"hello"]


@pytest.mark.parametrize("headers", ["X: y", {"X": "y"}, 7, None, b"X"], ids=repr)
def test_headers_must_be_pairs(headers: Any) -> None:
    def application(_: Any, start_response: Start) -> list[bytes]:
        start_response("200 OK", headers)
        return []

    with pytest.raises(InvalidResponse, match="give a list of \\(name, value\\)"):
        call(application)


@pytest.mark.parametrize(
    ("status", "headers", "line"),
    [
        ("200", [("X", "y")], "200 OK"),
        ("404", [("X", "y")], "404 Not Found"),
        ("299", [("X", "y")], "299 Unknown"),
        ("200 ", [("X", "y")], "200 "),
        ("200 OK", (("X", "y"),), "200 OK"),
        ("200 OK", [["X", "y"]], "200 OK"),
        ("200 OK", {"X": "y"}.items(), "200 OK"),
        pytest.param("200 OK", iter([("X", "y")]), "200 OK", id="an iterator"),
    ],
    ids=repr,
)
def test_a_status_and_headers_that_fc_2_accepts_are_accepted(
    status: str, headers: Any, line: str
) -> None:
    def application(_: Any, start_response: Start) -> list[bytes]:
        start_response(status, headers)
        return [b"a", b"b"]

    response = call(application)
    assert (response.status, response.headers) == (line, [("X", "y")])


def test_the_last_status_before_the_body_counts() -> None:
    def application(_: Any, start_response: Start) -> list[bytes]:
        start_response("500 Early", [("X", "early")])
        start_response("200 OK", [("X", "last")])
        return [b"a", b"b"]

    response = call(application)
    assert (response.status, response.headers) == ("200 OK", [("X", "last")])


def test_a_second_status_after_the_first_bytes_is_rejected() -> None:
    def application(_: Any, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        start_response("200 OK", [])
        yield b"never"

    response = call(application)
    assert next(response.body) == b"one"
    with pytest.raises(InvalidResponse, match="again after its first bytes"):
        next(response.body)


def test_an_answer_that_only_fc_2_accepts_logs_one_line_of_advice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(_: Any, start_response: Start) -> str:
        start_response("200", [])
        return "hello"

    caplog.set_level("INFO")
    caller = wsgi_call.Caller(handler)  # type: ignore[arg-type]
    for _ in range(3):
        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        assert list(caller.call(environ).body) == [b"hello"]
    [advice] = caplog.messages
    assert "handler gives the status '200': give '200 OK'" in advice
    call(answering([b"hello"]))
    assert caplog.messages == [advice]


def test_a_function_finds_the_environ_of_fc_2_and_an_application_that_of_the_server() -> None:
    seen: list[tuple[object, object]] = []

    def handler(environ: Any, start_response: Start) -> list[bytes]:
        seen.append((environ.get("CONTENT_TYPE"), environ.get("CONTENT_LENGTH")))
        start_response("200 OK", [])
        return []

    class Framework:
        def __call__(self, environ: Any, start_response: Start) -> list[bytes]:
            return handler(environ, start_response)

    for application in (handler, Framework().__call__, Framework()):
        for sent in ({}, {"CONTENT_TYPE": "", "CONTENT_LENGTH": ""},
                     {"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "3"}):  # fmt: skip
            environ: dict[str, Any] = dict(sent)
            setup_testing_defaults(environ)
            list(wsgi_call.Caller(application).call(environ).body)
    fc = [("application/octet-stream", "0"), ("application/octet-stream", "0"), ("a/b", "3")]
    assert seen == [*fc, *fc, (None, None), ("", ""), ("a/b", "3")]


def test_a_body_is_closed_once_however_it_ends() -> None:
    read = Chunks(b"a", b"b")
    response = call(answering(read))
    assert (list(response.body), read.closed) == ([b"a", b"b"], 0)
    response.close()
    response.close()
    assert read.closed == 1

    left = Chunks(b"a", b"b")
    response = call(answering(left))
    response.close()
    response.close()
    assert left.closed == 1

    failing = Chunks(fail=ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        call(answering(failing))
    assert failing.closed == 1

    wrong = Chunks(3)
    with pytest.raises(InvalidResponse):
        call(answering(wrong))
    assert wrong.closed == 1


def test_a_class_is_an_application_too() -> None:
    class Application:
        def __init__(self, environ: Any, start_response: Start) -> None:
            start_response("200 OK", [])

        def __iter__(self) -> Iterator[bytes]:
            yield b"made"

    assert list(call(Application).body) == [b"made"]
