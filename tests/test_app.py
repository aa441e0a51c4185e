"""The app alone: what goes wrong in it is an answer too."""

import json
from collections.abc import Callable
from io import RawIOBase
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug.app import create_app
from fcplug.runtime.runtime import Runtime


class Broken(RawIOBase):
    """A body that cannot be read."""

    def read(self, size: int = -1) -> bytes:
        raise OSError("no room on disk")


def test_a_body_that_cannot_be_read_fails_its_own_call(
    serve: Callable[..., Runtime], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = serve(f="index:handle")
    app = create_app(runtime, {}, runtime.config.runtime)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/invoke",
        "CONTENT_LENGTH": "3",
        "wsgi.input": Broken(),
    }
    setup_testing_defaults(environ)
    started: list[Any] = []
    (body,) = app(environ, lambda *given: started.append(given))  # type: ignore[arg-type]
    assert json.loads(body)["errorMessage"] == "no room on disk"
    assert started[0][0] == "404 Not Found"
    assert ("x-fc-status", "404") in started[0][1]
    assert "a request failed in the runtime" in caplog.text
