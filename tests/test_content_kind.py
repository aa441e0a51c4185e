"""What data looks like, in the words of an error message; and who says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug import result
from fcplug.content_kind import content_kind
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime
from support.deployed import deploy, start


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        ("  ", "empty"),
        (b"a=1&b=2", "a form (name=value&...)"),
        ("name=Ada%20L", "a form (name=value&...)"),
        (b"YWJjZA==", "plain text"),
        (b"None of these", "plain text"),
        (b" <xml/>", "XML or HTML"),
        (b"--abc\r\nContent-Disposition: form-data", "a multipart form"),
        ("{'a': 1}", "a dict or list by Python's str()"),
        (b'{"a": None}', "a dict or list by Python's str()"),
        (b'{"a": ', "JSON that is cut or malformed"),
        (b"\xef\xbb\xbf{}", "text with a byte order mark"),
        (b"\xa2gVersion", "CBOR, as Tablestore sends it"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b"\xff\xfe", "binary data"),
        (b"x" * 255 + "\u963f".encode(), "plain text"),
    ],
)
def test_data_is_named_by_what_it_looks_like(data: bytes | str, kind: str) -> None:
    assert content_kind(data) == kind


SHOP = """
import json
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def page(request):
    return JSONResponse(await request.json())

app = Starlette(routes=[Route("/", page, methods=["POST"])])

def handle(event):
    return json.loads(event)
"""


def test_the_log_says_what_a_body_is_that_was_read_as_json(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("shop", SHOP)
    answer = serve(f="shop:handle").invoke(b"name=Ada", called("f"))
    assert answer.error
    note = "\n  note: what was to be JSON has 8 characters: it is a form (name=value&...)"
    assert result.format_error(answer.error).endswith(note)
    message = json.loads(answer.body)["errorMessage"]
    assert message == "Expecting value: line 1 column 1 (char 0)", "as in FC's own runtime"


def test_the_log_names_the_body_that_an_asgi_application_read_as_json(tmp_path: Path) -> None:
    config = json.dumps({"version": 1, "functions": {"f": {"asgi": "shop:app"}}})
    with start(deploy(tmp_path, config, {"shop.py": SHOP})) as instance:
        assert instance.call("POST", "/", b"<order/>").status == 500
        instance.wait_for("note: what was to be JSON has 8 characters: it is XML or HTML")
