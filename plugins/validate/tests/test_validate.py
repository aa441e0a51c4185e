"""Checks by schema and by type: what passes, what is said of the rest, and what is never said."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner

MIB = 1024 * 1024
SECRET = "the-secret-of-the-caller"
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9-]{1,12}$"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}},
        },
        "kind": {"enum": ["new", "old"]},
    },
}

Given = dict[str, Any]


class Line(msgspec.Struct):
    count: int


class Order(msgspec.Struct):
    id: str
    lines: list[Line] = []
    kind: Literal["new", "old"] = "new"


class Model(pydantic.BaseModel):
    id: str
    lines: list[dict[str, int]] = []

    @pydantic.field_validator("id")
    @classmethod
    def check(cls, value: str) -> str:
        if value.startswith("the-"):
            raise ValueError(f"{value} is taken")
        return value


class Size(TypedDict):
    länge: int  # noqa: PLC2401 - what is tested


@dataclass
class Parcel:
    größe: Size  # noqa: PLC2401 - what is tested


@dataclass
class Plain:
    id: str

    def __post_init__(self) -> None:
        if self.id.startswith("the-"):
            raise ValueError(f"{self.id} is taken")


def echo(event: bytes) -> bytes:
    return event


def count(event: bytes) -> Any:
    return {"id": event.decode(), "lines": []}


def order(event: bytes) -> Order:
    return Order(event.decode())


Check = Callable[..., Answer]


@pytest.fixture
def check(fc: Runner) -> Check:
    """Return what calls a handler with an event, behind the middleware with these settings."""

    def call(event: object, handler: Callable[..., Any] = echo, **settings: Any) -> Answer:
        given = event if isinstance(event, bytes) else json.dumps(event).encode()
        return fc.invoke(handler, given, middleware=[{"name": "validate", "settings": settings}])

    return call


def said(answer: Answer) -> tuple[str, str]:
    """Return the type and the text of the error that a caller gets."""
    document = json.loads(answer.body)
    assert SECRET not in answer.body.decode() + "".join(answer.log)
    return document["errorType"], document["errorMessage"]


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"id": "a-1", "lines": [{"count": 3}], "kind": "new"}, None),
        ({}, '''the whole: "id" is a required property'''),
        ({"id": SECRET}, '''id: the value does not match "^[a-z0-9-]{1,12}$"'''),
        ({"id": "a", "lines": [{"count": 1}, {"count": 0}]}, "lines.1.count: the value is less "
         "than the minimum of 1"),
        ({"id": "a", "kind": SECRET}, '''kind: the value is not one of "new" or "old"'''),
        ([SECRET], '''the whole: the value is not of type "object"'''),
        (b"", "the whole: it is empty, and no JSON"),
        (b"Ada " + SECRET.encode(), "the whole: it is not JSON: invalid character (byte 0)"),
        (b'{"id": "\xff"}', "the whole: it is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "the whole: it is nested too deeply"),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_an_event_fits_its_schema_or_the_place_and_the_rule_are_named(
    check: Check, event: object, problem: str | None
) -> None:
    answer = check(event, schema=SCHEMA)
    if problem is None:
        assert json.loads(answer.body) == event
        return
    kind, text = said(answer)
    assert kind == "InvalidEvent"
    assert text.startswith(f"the event does not fit its schema: {problem}")


def test_three_problems_are_named_and_more_are_mentioned(check: Check) -> None:
    event = {"id": "a", "lines": [{"count": 0}] * 9}
    assert said(check(event, schema=SCHEMA))[1].endswith("; and more")
    assert said(check(event, schema=SCHEMA))[1].count("minimum") == 3


def test_values_are_shown_where_that_is_asked_for(check: Check) -> None:
    answer = check({"id": "a", "kind": "blue"}, schema=SCHEMA, show_values=True)
    assert '"blue" is not one of' in said(answer)[1]


@pytest.mark.parametrize(
    ("kind", "event", "problem"),
    [
        ("Order", {"id": "a", "lines": [{"count": 3}]}, None),
        ("Order", {"id": 3}, "Order: id: expected str, got int"),
        ("Order", {"lines": []}, "Order: the whole: object missing required field id"),
        ("Order", {"id": "a", "lines": [{"count": "x"}]}, "Order: lines.0.count: expected int"),
        ("Order", {"id": "a", "kind": SECRET}, "Order: kind: the value is not valid"),
        ("Order", b"{", "Order: the whole: it is not JSON"),
        ("Order", b"", "Order: the whole: it is empty"),
        ("Order", b"[" * 100_000, "Order: the whole: "),
        ("Model", {"id": "a", "lines": [{"a": 1}]}, None),
        ("Model", {"id": SECRET}, "Model: id: the value is not valid"),
        ("Model", {"lines": [{"a": SECRET}]}, "Model: id: Field required; lines.0.a: Input should"),
        ("Model", b"{", "Model: the whole: it is not JSON"),
        ("Plain", {"id": "a"}, None),
        ("Plain", {"id": SECRET}, "Plain: the whole: the value is not valid"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_an_event_fits_its_type_or_the_place_is_named(
    check: Check, kind: str, event: object, problem: str | None
) -> None:
    answer = check(event, type=f"{__name__}:{kind}")
    if problem is None:
        assert json.loads(answer.body) == event
        return
    error, text = said(answer)
    assert error == "InvalidEvent"
    assert text.startswith(f"the event does not fit {problem}")


@pytest.mark.parametrize("by", [{"output_schema": SCHEMA}, {"output_type": f"{__name__}:Order"}])
@pytest.mark.parametrize(
    ("handler", "event", "fits"),
    [
        (echo, b'{"id": "a"}', True),
        (echo, b'{"id": 3}', False),
        (echo, b"no JSON", False),
        (count, b"a-1", True),
        (order, b"a-1", True),
        (lambda event: event.decode(), b'{"id": "a"}', True),
        (lambda _: None, b"", False),
        (lambda _: {"id": {1, 2}}, b"", None),
        (lambda _: {"id": float("nan")}, b"", False),
    ],
)
def test_a_result_of_any_kind_is_checked_and_returned_as_it_is(
    check: Check, by: Given, handler: Callable[..., Any], event: bytes, fits: bool | None
) -> None:
    answer = check(event, handler, **by)
    if fits:
        assert answer.body == check(event, handler, output_schema={}).body
        assert json.loads(answer.body)["id"] in ("a", "a-1")
    else:
        assert said(answer)[0] == ("TypeError" if fits is None else "InvalidOutput")


def test_a_handler_that_fails_keeps_its_error(check: Check) -> None:
    def fail(event: bytes) -> bytes:
        raise KeyError("its own")

    assert said(check({"id": "a"}, fail, schema=SCHEMA, output_schema=SCHEMA))[0] == "KeyError"


def http(method: str, path: str, body: str, *, is_base64: bool = False) -> Given:
    return {
        "version": "v1",
        "rawPath": path,
        "headers": {},
        "body": body,
        "isBase64Encoded": is_base64,
        "requestContext": {"http": {"method": method, "path": path}},
    }


def answering(event: bytes) -> Any:
    body = json.loads(event)["body"]
    failing = "fail" in body
    return {"statusCode": 500 if failing else 200, "body": "" if failing else '{"id": "a"}'}


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (http("POST", "/orders", '{"id": "a"}'), None),
        (http("POST", "/orders", base64.b64encode(b'{"id": "a"}').decode(), is_base64=True), None),
        (http("POST", "/orders", '{"id": 3}'), "the body does not fit its schema: id: "),
        (http("POST", "/orders", "%%%", is_base64=True), "the body is not base64"),
        (http("GET", "/orders", ""), None),
        (http("POST", "/other", "anything"), None),
        (http("POST", "/orders", '{"id": "fail"}'), None),
    ],
)
def test_the_bodies_of_one_http_operation_are_checked(
    check: Check, request_: Given, problem: str | None
) -> None:
    settings = {"schema": SCHEMA, "output_schema": SCHEMA, "http": "POST /orders"}
    answer = check(request_, answering, **settings)
    if problem is None:
        assert json.loads(answer.body)["statusCode"] in (200, 500)
    else:
        assert said(answer)[0] == "InvalidEvent"
        assert said(answer)[1].startswith(problem)


def test_a_wrong_body_of_an_answer_is_an_invalid_output(check: Check) -> None:
    def wrong(event: bytes) -> Any:
        return {"statusCode": 200, "body": '{"id": 3}'}

    settings = {"output_schema": SCHEMA, "http": "POST /orders"}
    kind, text = said(check(http("POST", "/orders", ""), wrong, **settings))
    assert (kind, text.partition(": ")[0]) == (
        "InvalidOutput",
        "the body of the answer does not fit its schema",
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"statusCode": 200, "isBase64Encoded": True, "body": "###"}, "is not base64"),
        ({"statusCode": 204, "body": None}, "the whole: it is empty, and no JSON"),
    ],
)
def test_an_answer_whose_body_cannot_be_read_is_an_invalid_output(
    check: Check, answer: Given, problem: str
) -> None:
    settings = {"output_schema": SCHEMA, "http": "POST /orders"}
    kind, text = said(check(http("POST", "/orders", ""), lambda event: answer, **settings))
    assert kind == "InvalidOutput"
    assert problem in text


def test_a_result_that_cannot_be_json_is_reported_with_the_reason(check: Check) -> None:
    def deep(event: bytes) -> Any:
        result: list[Any] = []
        for _ in range(5000):
            result = [result]
        return result

    kind, text = said(check(b"", deep, output_schema={"type": "array"}))
    assert kind == "RecursionError"
    assert "is nested too deeply to be JSON: return a flatter result" in text
    text_schema = {"properties": {"s": {"pattern": "a"}}}
    kind, text = said(check(b"", lambda event: {"s": "\ud800"}, output_schema=text_schema))
    assert kind == "InvalidOutput"
    assert "half a surrogate pair" in text


def test_names_of_fields_that_are_not_ascii_are_found(check: Check) -> None:
    answer = check('{"größe": {"länge": 3}}'.encode(), type=f"{__name__}:Parcel")
    assert answer.body == '{"größe": {"länge": 3}}'.encode()
    kind, text = said(check('{"größe": {"länge": "3"}}'.encode(), type=f"{__name__}:Parcel"))
    assert (kind, text) == (
        "InvalidEvent",
        "the event does not fit Parcel: größe.länge: expected int, got str",
    )


def test_events_of_32_mb_are_checked(check: Check) -> None:
    line = {"count": 3, "text": "x" * 100}
    event = {"id": "a", "lines": [line] * 240_000}
    assert len(json.dumps(event)) > 28 * MIB
    assert len(check(event, schema=SCHEMA).body) > 28 * MIB
    event["lines"] = [*[line] * 240_000, {"count": 0}]
    assert "lines.240000.count" in said(check(event, schema=SCHEMA))[1]


def test_a_pattern_cannot_be_made_to_take_long(check: Check) -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    answer = check("a" * 100_000 + "!", schema=schema)
    assert said(answer)[0] == "InvalidEvent"


def test_a_schema_may_be_in_a_file(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "order.json").write_text(json.dumps(SCHEMA))
    monkeypatch.chdir(tmp_path)
    assert said(check({}, schema="order.json"))[1].startswith("the event does not fit order.json: ")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "list.json").write_text("[1]")
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "there is nothing to check: give schema or type"),
        ({"schema": SCHEMA, "type": "a:B"}, "give either schema or type"),
        ({"output_schema": SCHEMA, "output_type": "a:B"}, "either output_schema or output_type"),
        ({"schema": {"type": "objekt"}}, "its schema is not a JSON Schema: "),
        ({"schema": "absent.json"}, "the schema 'absent.json' cannot be read: No such file"),
        ({"schema": "list.json"}, "the schema 'list.json' is not a JSON object"),
        ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, "put that into the schema itself"),
        ({"schema": {"$ref": "file:///etc/passwd"}}, "put that into the schema itself"),
        ({"schema": {"pattern": "(?=a)b"}}, "its schema is not a JSON Schema: "),
        ({"type": "models"}, "'models' names no type: write module:Class"),
        ({"type": "no_such_module:Order"}, "there is no module 'no_such_module'"),
        ({"type": f"{__name__}:Ordre"}, "has no 'Ordre'"),
        ({"type": "threading:Lock"}, "threading:Lock is not a type that JSON can have"),
        ({"type": f"{__name__}:Order", "http": "orders"}, "'orders' is not a method and a path"),
        ({"schema": 3}, "schema"),
    ],
)
def test_settings_that_cannot_work_are_errors_at_the_start(
    check: Check, served: Path, monkeypatch: pytest.MonkeyPatch, settings: Given, what: str
) -> None:
    monkeypatch.chdir(served)
    error = check({}, **settings).error
    assert isinstance(error, PluginError)
    assert what in str(error)
