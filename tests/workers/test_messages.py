"""The headers of frames: they arrive as they were sent, and invalid ones are rejected."""

import math
from typing import Any

import pytest

from fcplug.config.interpolation import FromEnvironment
from fcplug.context import Context
from fcplug.workers.error_report import ErrorReport
from fcplug.workers.messages import (
    WEB,
    CallReader,
    CallWriter,
    Hello,
    HookCall,
    ResponseHead,
    decoded,
    encoded,
)
from fcplug.workers.wire import FrameError

SENT = {
    "x-fc-request-id": "the-call",
    "x-fc-security-token": "a token without a key",
    "x-fc-function-timeout": "3",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "fcplug shadow of": "the-original",
    "another": "that no context reads",
}


@pytest.mark.parametrize(
    "value",
    [
        {"a": ["\N{LATIN SMALL LETTER U WITH DIAERESIS}", None, 1.5, {}]},
        {"half of a surrogate pair": "\ud83d"},
        {"number": 2**70, "text": FromEnvironment("value")},
    ],
    ids=ascii,
)
def test_plain_values_arrive_as_they_were_sent(value: dict[str, Any]) -> None:
    assert decoded(encoded(value), dict) == value


@pytest.mark.parametrize("text", ["plain", "\ud83d"], ids=ascii)
def test_a_structure_arrives_as_it_was_sent(text: str) -> None:
    head = ResponseHead("200 OK", [("name", text)])
    assert ResponseHead.from_header(head.to_header()) == head


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"{}}", b"null", b"\xff\xfe", b'{"version": 1}', b"[" * 50_000],
    ids=ascii,
)
def test_an_invalid_header_is_rejected(data: bytes) -> None:
    with pytest.raises(FrameError, match="not a valid Hello"):
        Hello.from_header(data)


def test_an_invalid_report_is_rejected() -> None:
    with pytest.raises(FrameError, match="not a valid ErrorReport"):
        ErrorReport.from_header(b'{"kind": 1}')


def sent(writer: CallWriter, reader: CallReader, context: Context) -> tuple[HookCall, Context]:
    call = HookCall.of("invoke", context)
    return reader.read(writer.write(call, context.to_values(), context.variables()))


def test_a_call_makes_the_same_context_again() -> None:
    environ = {"FC_REGION": "cn-beijing", "FC_FUNCTION_MEMORY_SIZE": "512", "OTHER": "x"}
    first = Context.from_headers(SENT, environ).for_function({}, 2.5)
    call, again = sent(CallWriter(), CallReader({}, ""), first)
    assert (call.hook, call.timeout, call.environ) == ("invoke", 2.5, {})
    assert again.to_headers() == first.to_headers()
    assert again.variables() == first.variables()
    assert again.region == "cn-beijing"
    assert again.function.memory == 512
    assert again.shadow_of == "the-original"
    assert again.header("another") == ""
    assert math.isclose(again.remaining_time(), 2.5, abs_tol=0.4)


def test_a_web_call_has_the_text_of_the_environ() -> None:
    environ = {"PATH_INFO": "/x", "wsgi.input": object()}
    call = HookCall.of(WEB, Context.from_headers({}, {}), environ)
    assert HookCall.from_header(call.to_header()).environ == {"PATH_INFO": "/x"}


def test_calls_in_a_row_make_their_own_contexts() -> None:
    writer, reader = CallWriter(), CallReader({}, "")
    token = "x-fc-security-token"
    rows: list[tuple[dict[str, str], dict[str, str]]] = [
        (SENT, {}),
        ({**SENT, "x-fc-request-id": "the-next"}, {}),
        ({**SENT, token: "another"}, {}),
        ({**SENT, token: "another"}, {"FC_FUNCTION_MEMORY_SIZE": "512"}),
        (SENT, {"FC_FUNCTION_MEMORY_SIZE": "1024"}),
        ({}, {}),
        (SENT, {}),
    ]
    for headers, environ in rows:
        first = Context.from_headers(headers, environ)
        _, again = sent(writer, reader, first)
        assert again.request_id == first.request_id
        assert again.to_headers() == first.to_headers()
        assert again.variables() == first.variables()
        assert again.function == first.function
        assert again.credentials == first.credentials


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\n",
        b'["invoke","id",0.5]',
        b'["invoke","id",0.5]\n',
        b'["invoke"]\n[[],{}]',
        b"{}\n{}",
    ],
    ids=ascii,
)
def test_an_invalid_call_is_rejected(header: bytes) -> None:
    reader = CallReader({}, "")
    for _ in range(2):
        with pytest.raises(FrameError, match="not a valid"):
            reader.read(header)
