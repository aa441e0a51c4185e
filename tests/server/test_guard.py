"""The checks for requests under other servers, called without a server."""

import io
from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug.server.guard import guard

MIB = 1024 * 1024


class Body(Iterator[bytes]):
    """A body that notes that it was closed."""

    closed = False

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> None:
        type(self).closed = True


def ask(**given: Any) -> tuple[str, dict[str, Any], Iterator[bytes]]:
    """Return the status of an answer, the environ that the app got, and the body."""
    seen: dict[str, Any] = {}
    statuses: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Body:
        seen.update(environ)
        start_response("200 OK", [])
        return Body()

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ.update(given)

    def start_response(status: str, *_: object) -> Any:
        statuses.append(status)

    body = guard(app)(environ, start_response)
    return statuses[0], seen, iter(body)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "200 OK"),
        ({"HTTP_X_FC_REQUEST_ID": "1", "HTTP_X_FC_OTHER": "1,2", "HTTP_ACCEPT": "a, b"}, "200 OK"),
        ({"HTTP_X_FC_REQUEST_ID": "1,2"}, "400 Bad Request"),
        ({"HTTP_X_FC_CONTROL_PATH": "/invoke,/http-invoke"}, "400 Bad Request"),
        ({"HTTP_X_FC_ACCESS_KEY_ID": "a, b"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": "+1"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": "\u0661"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": str(32 * MIB)}, "200 OK"),
        ({"CONTENT_LENGTH": str(32 * MIB + 1)}, "413 Content Too Large"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "411 Length Required"),
    ],
)
def test_an_ambiguous_or_too_large_request_is_refused(given: dict[str, str], status: str) -> None:
    answered, seen, _ = ask(**given)
    assert answered == status
    assert bool(seen) == (status == "200 OK")


def test_a_body_without_a_length_is_measured() -> None:
    _, seen, _ = ask(**{
        "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(b"abc"),
    })  # fmt: skip
    assert (seen["CONTENT_LENGTH"], seen["wsgi.input"].read()) == ("3", b"abc")
    assert "HTTP_TRANSFER_ENCODING" not in seen


def test_credentials_of_the_process_are_not_part_of_a_request() -> None:
    _, seen, _ = ask(ALIBABA_CLOUD_ACCESS_KEY_SECRET="s", SHOP="open")
    assert "ALIBABA_CLOUD_ACCESS_KEY_SECRET" not in seen
    assert seen["SHOP"] == "open"


def test_an_answer_to_head_has_no_body_and_that_of_the_application_is_closed() -> None:
    Body.closed = False
    _, _, body = ask(REQUEST_METHOD="HEAD")
    assert (list(body), Body.closed) == ([], True)
