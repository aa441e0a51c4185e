"""The environ of an application: which keys win, and which are hidden."""

import io
from typing import Any

from fcplug.context import Context
from fcplug.web.environ import Environs, body_of

REQUEST = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/a",
    "QUERY_STRING": "",
    "HTTP_X_FC_SECURITY_TOKEN": "the token",
}
PROCESS = {
    "HOME": "/code",
    "COLOUR": "gr\udcfcn",  # a byte that is not UTF-8
    "QUERY_STRING": "of the process",
    "REMOTE_USER": "root",
    "HTTP_HOST": "of the process",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "another token",
}


def made(environ: dict[str, Any], *, exposed: bool = False) -> dict[str, Any]:
    context = Context.from_headers({}, {})
    environ = Environs(PROCESS, exposed=exposed).build(environ, context)
    assert environ.pop("fc.context") is context
    return environ


def test_the_request_is_over_the_process() -> None:
    assert made(REQUEST) == {
        "HOME": "/code",
        "COLOUR": "gr\xfcn",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "",
        "fc.request_uri": "/a",
    }


def test_credentials_are_there_where_they_are_exposed() -> None:
    shown = made(REQUEST, exposed=True)
    assert shown["HTTP_X_FC_SECURITY_TOKEN"] == "the token"
    assert shown["ALIBABA_CLOUD_SECURITY_TOKEN"] == "another token"


def test_the_servers_environ_is_not_changed() -> None:
    environ = {**REQUEST, "REQUEST_URI": "/%61"}
    assert made(environ)["fc.request_uri"] == "/%61"
    assert environ == {**REQUEST, "REQUEST_URI": "/%61"}


def test_a_body_ends_at_its_length_or_where_the_server_ends_it() -> None:
    body = io.BytesIO(b"abcdef")
    assert body_of({"wsgi.input": body, "CONTENT_LENGTH": "3"}) == b"abc"
    assert body_of({"wsgi.input": body, "wsgi.input_terminated": True}) == b"def"
    assert body_of({"wsgi.input": body}) == b""
