"""Results as FC sends them, and what the error says of those that are not JSON."""

import dataclasses
import datetime
import decimal
import enum
import json
import logging
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import InvalidResult
from fcplug.runtime.runtime import Runtime


class WithJson:
    def to_json(self) -> object:
        return {"b": decimal.Decimal("1.5")}


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (b"", b""),
        ("阿达", "阿达".encode()),
        ("", b""),
        (None, b"null"),
        (True, b"true"),
        (7, b"7"),
        ({}, b"{}"),
        ([], b"[]"),
        ({"b": 1, "a": [2]}, b'{\n    "a": [\n        2\n    ],\n    "b": 1\n}'),
        ((1,), b"[\n    1\n]"),
        (decimal.Decimal("1.5"), b"1.5"),
        (datetime.date(2026, 1, 31), b'"2026-01-31"'),
        (datetime.datetime(2026, 1, 31, 12, 30), b'"2026-01-31T12:30:00"'),
        pytest.param(WithJson(), b'{\n    "b": 1.5\n}', id="with its own JSON"),
        ({"text": "阿"}, b'{\n    "text": "\\u963f"\n}'),
    ],
    ids=repr,
)
def test_a_result_is_sent_as_fc_sends_it(value: object, body: bytes) -> None:
    # 31, 82
    assert encode(value) == body


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())  # with halves of surrogate pairs, too
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(st.characters()), inner)
        | st.dictionaries(st.integers() | st.floats(allow_nan=False, allow_infinity=False), inner)
    ),
)


@given(st.lists(_values, max_size=5) | st.dictionaries(st.text(), _values))
def test_a_result_has_the_bytes_of_json_dumps_with_an_indent_of_4(value: object) -> None:
    assert encode(value) == json.dumps(value, indent=4, sort_keys=True).encode()


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Money:
    amount: decimal.Decimal

    def to_json(self) -> str:
        return f"{self.amount} CNY"


@dataclasses.dataclass
class Line:
    price: Money
    colour: Colour = Colour.RED
    counted: ClassVar[int] = 0


@attrs.frozen
class Parcel:
    lines: list[Line]
    sent: datetime.date | None = None


class Order(msgspec.Struct, rename="camel"):
    order_id: uuid.UUID
    total: decimal.Decimal
    due: datetime.datetime
    sent_by: object = None


class Reading(msgspec.Struct):
    degrees: float


class Invoice(pydantic.BaseModel):
    paid: bool = pydantic.Field(default=True, alias="isPaid")
    due: datetime.date


ID = uuid.UUID("12345678123456781234567812345678")
DUE = datetime.datetime(2026, 1, 31, 12, 30)
LINE = Line(Money(decimal.Decimal("1.50")))


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (LINE, {"price": "1.50 CNY", "colour": "red"}),
        ({"all": [LINE]}, {"all": [{"price": "1.50 CNY", "colour": "red"}]}),
        (Parcel([LINE]), {"lines": [{"price": "1.50 CNY", "colour": "red"}], "sent": None}),
        (
            Order(ID, decimal.Decimal("1.5"), datetime.datetime(2026, 1, 31, 12, 30), WithJson()),
            {
                "orderId": str(ID),
                "total": 1.5,
                "due": "2026-01-31T12:30:00",
                "sentBy": {"b": 1.5},
            },
        ),
        ([Invoice(due=datetime.date(2026, 1, 31))], [{"isPaid": True, "due": "2026-01-31"}]),
        ([ID, Colour.RED], [str(ID), "red"]),
    ],
    ids=["dataclass", "inside", "attrs", "struct", "pydantic", "values"],
)
def test_an_object_of_named_fields_is_json_in_the_same_layout(
    value: object, document: object
) -> None:
    assert encode(value) == json.dumps(document, indent=4, sort_keys=True).encode()


circle: list[object] = []
circle.append(circle)
deep: list[object] = []
for _ in range(100_000):
    deep = [deep]


class Chain:
    def to_json(self) -> "Chain":
        return self


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (bytearray(b"x"), "TypeError", "result is a bytearray, which is not JSON serializable: "),
        (memoryview(b"x"), "TypeError", "result is a memoryview, which is not JSON "),
        (
            {1, 2},
            "TypeError",
            "result is a set, which is not JSON serializable: return a list, as sorted(...)",
        ),
        ((each for each in ""), "TypeError", "result is a generator, which is not JSON "),
        (Line, "TypeError", "result is the class Line, which is not JSON serializable: "),
        (
            {"items": [0, 1, 2, Line(Money(decimal.Decimal(1)), colour={1})]},  # type: ignore[arg-type]
            "TypeError",
            "result['items'][3].colour is a set, which",
        ),
        (Parcel([LINE], sent=object()), "TypeError", "result.sent is an object, which"),  # type: ignore[arg-type]
        ([Order(ID, decimal.Decimal(1), DUE, object())], "TypeError", "[0].sent_by is an object, "),
        ({"b": {1}, "a": {1}}, "TypeError", "result['a'] is a set, which"),
        ({"a": {Colour.RED: 1}}, "TypeError", "result['a'] has a key that is a Colour, and "),
        (
            {"a": 1, 2: 3},
            "TypeError",
            "result has keys of the types int and str, which cannot be sorted: ",
        ),
        ([circle], "ValueError", "result[0][0] contains itself, which JSON cannot"),
        (Chain(), "ValueError", "result.to_json() contains itself, which JSON cannot"),
        (deep, "RecursionError", "nested too deeply"),
        ({"a": [1, 10**5000]}, "ValueError", "result['a'][1] is an int with more digits than "),
        ("\ud800", "UnicodeEncodeError", "half a surrogate pair at character 0"),
        ([math.nan, {1}], "TypeError", "result[1] is a set"),
        ({"x" * 1000: {1}}, "TypeError", "x...x"),
    ],
)
def test_a_result_that_is_not_json_names_the_place_and_the_fix(
    value: object, kind: str, text: str
) -> None:
    # 82
    with pytest.raises(InvalidResult) as caught:
        encode(value, "index.handle")
    assert caught.value.error_type == kind
    assert str(caught.value).startswith("handler 'index.handle': ")
    assert text in str(caught.value)
    assert len(str(caught.value)) < 500


class Broken:
    def to_json(self) -> object:
        raise TypeError("the author's own")


def test_what_the_author_s_to_json_raises_stays_as_it_is() -> None:
    with pytest.raises(TypeError, match="the author's own") as caught:
        encode([Broken()])
    assert "in to_json" in str(caught.traceback[-1])


def test_a_wrong_value_of_megabytes_is_named_and_not_repeated(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", "def handle(event): return {'data': bytearray(11_000_000)}")
    body = serve(f="index:handle").invoke(b"", called("f")).body
    assert json.loads(body) == {
        "errorMessage": "handler 'index:handle': result['data'] is a bytearray, which is not JSON "
        "serializable: decode it, or encode it as base64; bytes alone are sent raw",
        "errorType": "TypeError",
    }


@pytest.mark.parametrize(
    ("value", "body", "place"),
    [
        (math.nan, b"NaN", "result is nan"),
        ([1.0, -math.inf], b"[\n    1.0,\n    -Infinity\n]", "result[1] is -inf"),
        (decimal.Decimal("NaN"), b"NaN", "result is NaN"),
        (Reading(math.nan), b'{\n    "degrees": NaN\n}', "result.degrees is nan"),
    ],
)
def test_nan_and_infinity_are_sent_as_fc_sends_them_with_a_warning(
    value: object, body: bytes, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert encode(value, "index.handle") == body
    assert [record.getMessage() for record in caplog.records] == [
        f"handler 'index.handle': {place}: JSON has no such number, and a client may refuse the "
        "answer; return None instead"
    ]
