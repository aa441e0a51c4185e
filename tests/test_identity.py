"""Identity: who is calling and as whom, from headers and environment; keys never show."""

import base64
import copy
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fcplug import protocol
from fcplug.context import Context
from fcplug.identity import Credentials, FunctionInfo, ServiceInfo, Tracing

KEYS = ("STS.id-4711", "secret-4712", "token-4713")
KEY_HEADERS = dict(zip(protocol.CREDENTIAL_HEADERS, KEYS, strict=True))
KEY_VARIABLES = dict(zip(protocol.CREDENTIAL_VARIABLES, KEYS, strict=True))
HEADERS = {
    "x-fc-request-id": "1-67a59f35-150c1267-f381ba1c085c",
    **KEY_HEADERS,
    "x-fc-function-name": "resize",
    "x-fc-function-handler": "index.handler",
    "x-fc-function-memory": "1024",
    "x-fc-function-timeout": "60",
    "x-fc-region": "cn-hangzhou",
    "x-fc-account-id": "1419633767709936",
    "x-fc-qualifier": "LATEST",
    "x-fc-version-id": "3",
    "x-fc-service-name": "pictures",
    "x-fc-service-logproject": "project",
    "x-fc-service-logstore": "store",
    "x-fc-retry-count": "2",
    "x-fc-tracing-opentracing-span-context": "a:b:c:1",
    "x-fc-tracing-opentracing-span-baggages": base64.b64encode(b'{"k": "v"}').decode(),
    "x-fc-tracing-jaeger-endpoint": "http://jaeger",
    "x-fc-eagleeye-traceid": "ignored",  # checklist 24
}
PARTS = ("credentials", "function", "service", "tracing", "logger")
PLAIN = (
    "request_id",
    "region",
    "account_id",
    "qualifier",
    "version_id",
    "log_project",
    "log_store",
    "retry_count",
)


def context(headers: dict[str, str] | None = None, **environ: str) -> Context:
    return Context.from_headers(headers or {}, environ)


def facts(context: Context) -> dict[str, Any]:
    """Return everything that two equal contexts have in common."""
    return {name: getattr(context, name) for name in (*PLAIN, *PARTS[:-1])}


def test_every_fact_is_read_from_its_header() -> None:  # checklist 73
    whole = context(HEADERS)
    assert facts(whole) == {
        "request_id": "1-67a59f35-150c1267-f381ba1c085c",
        "region": "cn-hangzhou",
        "account_id": "1419633767709936",
        "qualifier": "LATEST",
        "version_id": "3",
        "log_project": "project",
        "log_store": "store",
        "retry_count": 2,
        "credentials": Credentials(*KEYS),
        "function": FunctionInfo("resize", "index.handler", 1024, 60, "3", "LATEST"),
        "service": ServiceInfo("pictures", "project", "store", "LATEST", "3"),
        "tracing": Tracing("a:b:c:1", "http://jaeger", {"k": "v"}),
    }


@pytest.mark.parametrize("headers", [{}, dict.fromkeys(HEADERS, "")], ids=["absent", "empty"])
def test_what_nobody_sent_is_empty_and_never_an_error(headers: dict[str, str]) -> None:
    bare = context(headers)  # checklist 22, 23
    assert {name: getattr(bare, name) for name in PLAIN[1:-1]} == dict.fromkeys(PLAIN[1:-1], "")
    assert bare.retry_count == 0
    assert bare.credentials == Credentials()
    assert bare.function == FunctionInfo("", "", 0, 0, "", "")
    assert bare.service == ServiceInfo("", "", "", "", "")
    assert bare.tracing == Tracing("", "", {})
    assert bare.deadline is None
    assert dict(bare.settings) == {}
    assert json.loads(bare.to_json())["function"]["name"] == ""


@pytest.mark.parametrize("sent", [{}, {"x-fc-region": ""}], ids=["absent", "empty"])
@pytest.mark.parametrize(
    ("variable", "read"),
    [
        ("FC_FUNCTION_NAME", lambda it: it.function.name),
        ("FC_FUNCTION_HANDLER", lambda it: it.function.handler),
        ("FC_REGION", lambda it: it.region),
        ("FC_ACCOUNT_ID", lambda it: it.account_id),
        ("FC_QUALIFIER", lambda it: it.qualifier),
        ("FC_FUNCTION_VERSION", lambda it: it.version_id),
        ("FC_VER_ID", lambda it: it.version_id),
        ("FC_SERVICE_NAME", lambda it: it.service.name),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_environment_answers_where_headers_are_silent(
    variable: str, read: Callable[[Context], str], sent: dict[str, str]
) -> None:
    assert read(Context.from_headers(sent, {variable: "known"})) == "known"  # checklist 74
    assert read(Context.from_headers(HEADERS, {variable: "other"})) != "other"


def test_the_newer_name_of_the_version_wins() -> None:
    both = {"FC_FUNCTION_VERSION": "new", "FC_VER_ID": "old"}
    assert Context.from_headers({}, both).version_id == "new"
    assert Context.from_headers({}, {**both, "FC_FUNCTION_VERSION": ""}).version_id == "old"


@pytest.mark.parametrize("text", ["x", "-1", "1.5", " 1", "+1", "1_0", "٣", "²", "9" * 5000])
def test_a_number_that_is_none_falls_back(text: str) -> None:  # checklist 76
    names = ("memory", "timeout")
    headers = {f"x-fc-function-{name}": text for name in names} | {"x-fc-retry-count": text}
    garbled = context(headers, FC_FUNCTION_MEMORY_SIZE="512")
    assert (garbled.function.memory, garbled.function.timeout, garbled.retry_count) == (512, 0, 0)
    assert garbled.deadline is None
    assert context(headers, FC_FUNCTION_MEMORY_SIZE=text).function.memory == 0


def test_memory_comes_from_the_environment_where_the_header_is_silent() -> None:
    assert context(FC_FUNCTION_MEMORY_SIZE="512").function.memory == 512


def test_keys_of_the_headers_win() -> None:  # checklist 75
    environ = dict.fromkeys(protocol.CREDENTIAL_VARIABLES, "other")
    assert Context.from_headers(KEY_HEADERS, environ).credentials == Credentials(*KEYS)


@pytest.mark.parametrize("headers", [{}, dict.fromkeys(KEY_HEADERS, "")], ids=["absent", "empty"])
def test_keys_of_the_environment_are_used_where_headers_are_silent(headers: dict[str, str]) -> None:
    assert Context.from_headers(headers, KEY_VARIABLES).credentials == Credentials(*KEYS)


def test_keys_of_two_sources_are_never_mixed() -> None:
    id_only = {"x-fc-access-key-id": "sent"}
    assert Context.from_headers(id_only, KEY_VARIABLES).credentials == Credentials("sent")
    rest_only = {"x-fc-access-key-secret": "sent", "x-fc-security-token": "sent"}
    assert Context.from_headers(rest_only, KEY_VARIABLES).credentials == Credentials(*KEYS)
    assert Context.from_headers(rest_only, {}).credentials == Credentials()


@pytest.mark.parametrize("source", [(HEADERS, {}), ({}, KEY_VARIABLES)], ids=["headers", "environ"])
@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r:>80}".format,
        lambda value: f"{value}",
        lambda value: "%s %r" % (value, value),  # noqa: UP031 - the way under test
        lambda value: repr([value, {"key": value}]),
        lambda value: repr(getattr(value, "__rich_repr__", list)()),
        lambda value: json.dumps({"it": value}, default=str),
        lambda value: str(KeyError(value)),
        lambda value: logging.makeLogRecord({"msg": "%s", "args": (value,)}).getMessage(),
        lambda value: repr(copy.copy(value)),
        lambda value: repr(getattr(value, "__dict__", "")),
    ],
)
def test_no_way_of_printing_shows_a_key(
    show: Callable[[Any], str], source: tuple[dict[str, str], dict[str, str]]
) -> None:
    whole = Context.from_headers(*source)
    assert whole.credentials.access_key_secret == KEYS[1]
    for value in (whole, whole.credentials, whole.function, whole.service, whole.tracing):
        assert not [key for key in KEYS if key in show(value)]


def test_a_context_shows_its_request_and_function() -> None:
    whole = context(HEADERS)
    assert repr(whole) == f"Context(request_id='{whole.request_id}', function='resize')"
    assert repr(whole.credentials) == (
        "Credentials(access_key_id='***', access_key_secret='***', security_token='***')"
    )
    assert repr(Credentials()) == (
        "Credentials(access_key_id='', access_key_secret='', security_token='')"
    )


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_made_once_and_then_stays(name: str) -> None:
    whole = context(HEADERS)
    assert getattr(whole, name) is getattr(whole, name)
    assert getattr(whole, name) is not getattr(context(HEADERS), name)


def test_both_spellings_of_fc_read_the_same() -> None:  # checklist 78
    whole = context(HEADERS)
    keys = whole.credentials
    assert (keys.accessKeyId, keys.accessKeySecret, keys.securityToken) == KEYS
    assert whole.requestId == whole.request_id
    assert whole.accountId == whole.account_id
    assert whole.retryCount == whole.retry_count
    assert whole.getLogger() is whole.logger


def test_the_json_has_exactly_the_keys_of_fcs_own_runtime() -> None:  # checklist 79
    assert json.loads(context(HEADERS).to_json()) == {
        "requestId": "1-67a59f35-150c1267-f381ba1c085c",
        "credentials": {
            "accessKeyId": KEYS[0],
            "accessKeySecret": KEYS[1],
            "securityToken": KEYS[2],
        },
        "function": {"name": "resize", "handler": "index.handler", "memory": 1024, "timeout": 60},
        "service": {
            "name": "pictures",
            "logProject": "project",
            "logStore": "store",
            "qualifier": "LATEST",
            "versionId": "3",
        },
        "region": "cn-hangzhou",
        "accountId": "1419633767709936",
        "retryCount": 2,
        "tracing": {
            "openTracingSpanContext": "a:b:c:1",
            "openTracingSpanBaggages": {"k": "v"},
            "jaegerEndpoint": "http://jaeger",
        },
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    headers=st.dictionaries(st.sampled_from(protocol.CONTEXT_HEADERS), st.text(max_size=12)),
    number=st.integers(0, 10**18 - 1).map(str),
    baggages=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
)
def test_headers_written_make_the_same_context_again(
    headers: dict[str, str], number: str, baggages: dict[str, str]
) -> None:
    for name in headers.keys() & {protocol.RETRY_COUNT, protocol.FUNCTION_MEMORY}:
        headers[name] = number
    if protocol.SPAN_BAGGAGES in headers:
        text = json.dumps(baggages).encode()
        headers[protocol.SPAN_BAGGAGES] = base64.b64encode(text).decode()
    first = context(headers)
    again = context(first.to_headers())
    assert facts(again) == facts(first)
    assert again.to_headers() == first.to_headers()


def test_headers_written_hold_what_the_environment_gave() -> None:
    written = Context.from_headers({}, {**KEY_VARIABLES, "FC_REGION": "cn-beijing"}).to_headers()
    assert written.pop("x-fc-request-id")
    assert written == {**KEY_HEADERS, "x-fc-region": "cn-beijing"}
