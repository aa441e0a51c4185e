"""What an observer of web requests gets and gives: the request, and context variables."""

import importlib
import json
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug.context import Context
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import Response

Called = Callable[..., Context]

MARKING = """
from contextvars import ContextVar
from fcplug import hookimpl

mark = ContextVar("mark", default="none")
environs = []

class Marking:
    @hookimpl
    def call_received(self, call):
        environs.append(call.environ)

    @hookimpl
    def call_started(self, call):
        if call.environ and call.environ["PATH_INFO"] == "/marked":
            mark.set("set")
"""
CODE = """
from marking import mark

def site(environ, start):
    start("200 OK", [])
    yield mark.get().encode()
    yield mark.get().encode()

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": mark.get().encode() * 2})

def handle(event):
    return mark.get()
"""


@pytest.mark.parametrize("limits", [{}, {"timeout": 60}])
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_application_finds_what_an_observer_sets_for_its_request_and_no_other(
    code: Any, serve: Any, called: Called, kind: str, limits: dict[str, Any]
) -> None:
    code("marking", MARKING)
    code("app", CODE)
    name = {"wsgi": "app:site", "asgi": "app:app"}[kind]
    functions = {"f": {kind: name, **limits}, "g": {"handler": "app:handle"}}
    config = {"version": 1, "runtime": {"observers": ["marking:Marking"]}, "functions": functions}
    runtime: Runtime = serve(json.dumps(config))

    def get(path: str) -> bytes:
        environ: dict[str, Any] = {"PATH_INFO": path}
        setup_testing_defaults(environ)
        answer = runtime.web(environ, called("f"))
        assert isinstance(answer, Response)
        body = b"".join(answer.body)
        answer.close()
        return body

    assert [get("/marked"), get("/"), get("/marked")] == [b"setset", b"nonenone", b"setset"]
    assert runtime.invoke(b"", called("g")).body == b"none"
    marking: Any = importlib.import_module("marking")
    paths = [environ and environ["PATH_INFO"] for environ in marking.environs]
    assert paths == ["/marked", "/", "/marked", None]
