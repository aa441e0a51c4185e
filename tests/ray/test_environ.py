"""Requests of an ASGI server as WSGI environs."""

from typing import Any

from fcplug.ray.environ import environ_of


def scope(**parts: Any) -> dict[str, Any]:
    return {"method": "GET", "path": "/", "raw_path": b"/", "headers": [], **parts}


def test_the_path_is_decoded_and_kept_as_it_was_sent() -> None:
    environ = environ_of(scope(raw_path=b"//a%2Fb/%ff", query_string=b"x=%20&y"), b"")
    assert environ["PATH_INFO"] == "//a/b/\xff"
    assert environ["QUERY_STRING"] == "x=%20&y"
    assert environ["REQUEST_URI"] == "//a%2Fb/%ff?x=%20&y"


def test_header_fields_become_variables_and_several_of_a_name_one() -> None:
    headers = [
        (b"Content-Type", b"text/plain"),
        (b"x-own", b"1"),
        (b"X-Own", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]
    environ = environ_of(scope(headers=headers), b"")
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["HTTP_X_OWN"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_dash() -> None:
    environ = environ_of(scope(headers=[(b"x_fc_request_id", b"forged")]), b"")
    assert not [key for key, value in environ.items() if value == "forged"]


def test_the_length_is_that_of_the_body_that_was_read() -> None:
    headers = [(b"content-length", b"9"), (b"transfer-encoding", b"chunked")]
    environ = environ_of(scope(headers=headers), b"four")
    assert environ["CONTENT_LENGTH"] == "4"
    assert "HTTP_TRANSFER_ENCODING" not in environ
