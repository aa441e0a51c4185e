import dataclasses
import datetime
import decimal
import enum
import importlib
import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import msgspec
import pydantic
import pytest

from fcplug import result
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.identity import Credentials
from fcplug.runtime.runtime import Runtime

NO_KEYS = Credentials()
KEYS = Credentials("STS.the-id", "the-secret", "CAIS-the-token")


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
        (WithJson(), b'{\n    "b": 1.5\n}'),
        ({"text": "阿"}, b'{\n    "text": "\\u963f"\n}'),
    ],
    ids=repr,
)
def test_a_result_is_sent_as_fc_sends_it(value: object, body: bytes) -> None:
    # 31, 82
    assert result.encode(value) == body


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


class Invoice(pydantic.BaseModel):
    paid: bool = pydantic.Field(default=True, alias="isPaid")
    due: datetime.date


ID = uuid.UUID("12345678123456781234567812345678")
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
    assert result.encode(value) == json.dumps(document, indent=4, sort_keys=True).encode()


circle: list[object] = []
circle.append(circle)
deep: list[object] = []
for _ in range(100_000):
    deep = [deep]


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        (bytearray(b"x"), TypeError, r"bytearray\(b'x'\) is not JSON serializable"),
        (memoryview(b"x"), TypeError, "is not JSON serializable"),
        ({1, 2}, TypeError, r"\{1, 2\} is not JSON serializable"),
        ((each for each in ""), TypeError, "generator object .* is not JSON serializable"),
        (Line, TypeError, "<class .*Line'> is not JSON serializable"),
        ({"a": {Colour.RED: 1}}, TypeError, "keys must be str"),
        ({"a": 1, 2: 3}, TypeError, "not supported between instances"),
        (circle, ValueError, "Circular reference detected"),
        (deep, RecursionError, "recursion"),
        ("\ud800", UnicodeEncodeError, "surrogates not allowed"),
    ],
    ids=[
        "bytearray",
        "memoryview",
        "set",
        "generator",
        "class",
        "key",
        "keys",
        "circle",
        "deep",
        "surrogate",
    ],
)
def test_what_is_no_json_is_an_error(value: object, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        result.encode(value)


def raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def document(error: BaseException, keys: Credentials = NO_KEYS) -> Any:
    failure = result.failure(error, keys)
    assert failure.error is error
    return json.loads(failure.body)


def test_an_error_document_is_as_fc_writes_it(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    # 35
    file = code(
        "index", "def handle(event, context):\n    fail()\ndef fail():\n    raise ValueError('no')"
    )
    body = serve(f="index.handle").invoke(b"", called("f")).body.decode()
    assert body == json.dumps(
        {
            "errorMessage": "no",
            "errorType": "ValueError",
            "stackTrace": [
                [f'File "{file}"', "line 2", "in handle", "fail()"],
                [f'File "{file}"', "line 4", "in fail", "raise ValueError('no')"],
            ],
        },
        indent=4,
    )


def test_an_error_without_frames_has_no_stack_trace() -> None:
    assert document(ValueError("no")) == {"errorMessage": "no", "errorType": "ValueError"}


def test_a_load_error_has_a_flat_stack_trace() -> None:
    error = PluginError("ImportModuleError", "Unable to import module 'x'", causes=["one", "two"])
    assert document(error) == {
        "errorMessage": "Unable to import module 'x'",
        "errorType": "ImportModuleError",
        "stackTrace": ["one", "two"],
    }


def test_a_serialisation_error_tells_its_frames() -> None:
    error = raised(lambda: result.encode({1}))
    assert document(error)["errorMessage"] == "{1} is not JSON serializable"
    assert any("json" in frame[0] for frame in document(error)["stackTrace"])


def test_source_that_cannot_be_had_is_an_empty_line() -> None:
    error = raised(lambda: exec("raise ValueError('no')"))
    assert document(error)["stackTrace"][-1] == ['File "<string>"', "line 1", "in <module>", ""]


class BadText(Exception):
    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text()


def leave() -> str:
    sys.exit("from __str__")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (lambda: 1 / 0, "<BadText whose text cannot be had: ZeroDivisionError>"),
        (leave, "<BadText whose text cannot be had: SystemExit>"),
        (lambda: 3, "<BadText whose text cannot be had: TypeError>"),
        (lambda: "\ud800", "\ud800"),
    ],
    ids=["raises", "exits", "no text", "surrogate"],
)
def test_an_exception_whose_text_cannot_be_had_is_told_all_the_same(
    text: Callable[[], str], told: str
) -> None:
    error = raised(lambda: exec("raise error", {"error": BadText(text)}))
    assert document(error)["errorMessage"] == told
    assert result.message_of(error) == told
    assert result.told(error) == f"BadText: {told}"
    assert "BadText" in result.explain(error)


def test_an_exception_without_text_is_told_by_its_class() -> None:
    assert result.told(KeyboardInterrupt()) == "KeyboardInterrupt"


def fail_twice() -> None:
    try:
        raise KeyError("first")
    except KeyError as error:
        raise OSError("second") from error


def fail_in_handler() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise OSError("second")  # noqa: B904 - an implicit context


@pytest.mark.parametrize("work", [fail_twice, fail_in_handler])
def test_the_log_tells_the_whole_chain(work: Callable[[], None]) -> None:
    text = result.explain(raised(work))
    assert text.index("KeyError: 'first'") < text.index("OSError: second")
    assert text.count("Traceback (most recent call last):") == 2
    assert document(raised(work))["errorMessage"] == "second"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_the_log_tells_every_exception_of_a_group(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", "import asyncio\nasync def one(): raise KeyError('one')\n"
         "async def two(): raise OSError('two')\nasync def handle():\n"
         "  async with asyncio.TaskGroup() as group:\n"
         "    group.create_task(one())\n    group.create_task(two())\n")  # fmt: skip
    answer = serve(f="index:handle").invoke(b"", called("f"))
    assert json.loads(answer.body)["errorType"] == "ExceptionGroup"
    assert answer.error is not None
    text = result.explain(answer.error)
    assert "KeyError: 'one'" in text
    assert "OSError: two" in text
    assert "/fcplug/" not in text
    assert "pluggy" not in text


def test_the_log_tells_our_frames_only_where_there_are_no_others(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", "def outer(event):\n  raise ValueError('theirs')\nhandle = bytes.decode\n")
    runtime = serve(f="index:outer", g="index:handle")
    theirs, ours = (runtime.invoke(b"\xff", called(name)).error for name in "fg")
    assert theirs is not None
    assert ours is not None
    assert "fcplug" not in result.explain(theirs)
    assert "in invoke\n" in result.explain(ours)


@pytest.mark.parametrize("secret", KEYS.__struct_fields__)
def test_the_keys_of_the_call_are_in_no_part_of_an_error_document(secret: str) -> None:
    value = getattr(KEYS, secret)
    error = raised(lambda: exec("raise ValueError(f'{value}: wrong')", {"value": value}))
    assert document(error, KEYS)["errorMessage"] == "***: wrong"
    load_error = PluginError("UserCodeError", "text", causes=[f"ValueError: {value}"])
    assert document(load_error, KEYS)["stackTrace"] == ["ValueError: ***"]


def test_keys_in_the_source_of_a_frame_are_masked(code: Callable[[str, str], Path]) -> None:
    code("index", "def handle():\n    raise ValueError('the-secret')\n")
    index = importlib.import_module("index")
    body = result.failure(raised(index.handle), KEYS).body.decode()
    assert "the-secret" not in body
    assert "raise ValueError('***')" in body


def test_empty_and_very_short_keys_mask_nothing() -> None:
    assert result.scrubbed("a b abc", Credentials("", "a", "abc")) == "a b abc"
    assert result.scrubbed({"k": ["abcd"]}, Credentials("", "", "abcd")) == {"k": ["***"]}


@pytest.mark.parametrize(
    ("file", "own"),
    [
        (result.__file__, True),
        (str(Path(result.__file__).parent / "server" / "loop.py"), True),
        ("<frozen importlib._bootstrap>", True),
        (__file__, False),
        ("/code/fcplug_hello.py", False),
        ("<string>", False),
        (json.__file__, False),
    ],
)
def test_a_file_is_the_runtime_s_own_or_the_author_s(file: str, own: bool) -> None:
    assert result.is_own_file(file) == own


def test_endless_recursion_is_told_by_its_first_and_last_frames() -> None:
    def first() -> None:
        deeper()

    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        first()
    trace = json.loads(result.failure(caught.value, Credentials()).body)["stackTrace"]
    assert len(trace) == 100
    assert [trace[1][2], trace[-1][2]] == ["in first", "in deeper"]
