"""Handlers of annotated events: every shape of handler, every kind of type, every wrong event."""

import contextlib
import json
import typing
from collections.abc import Callable, Hashable, Iterable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, AnyStr, Literal, NewType, Optional, Protocol, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcplug.context import Context
from fcplug.errors import InvalidEvent, PluginError
from fcplug.events import OSSEvent, TimerEvent
from fcplug.events.decoding import decode, decoder, type_name
from fcplug.result import format_error
from fcplug.runtime.runtime import Runtime

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]


class Item(msgspec.Struct):
    size: int


@dataclass
class Order:
    id: str
    items: list[Item]

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("An order needs an id")


@dataclass
class Chest:
    größe: int  # noqa: PLC2401 - what is tested


class Measures(TypedDict, total=False):
    länge: int  # noqa: PLC2401 - what is tested
    kiste: Chest


@attrs.frozen
class Parcel:
    weight: int = attrs.field(validator=attrs.validators.gt(0))


class Shelf(TypedDict):
    books: list[str]


class Line(pydantic.BaseModel):
    size: int
    colour: Literal["red", "blue"] = "red"
    note: str = pydantic.Field(default="", alias="theNote")


class Invoice(msgspec.Struct):
    lines: list[Line]


class Quoting(pydantic.BaseModel):
    a: dict[str, int] = {}

    @pydantic.field_validator("a", mode="before")
    @classmethod
    def _quote(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"not {value}")
        return value

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_b(cls, value: dict[str, object]) -> dict[str, object]:
        if "b" in value:
            raise ValueError("no b")
        return value


class Shout(str):
    """A class of the author's that takes events as it likes."""

    __slots__ = ()

    @classmethod
    def from_event(cls, event: bytes) -> "Shout":
        text = event.decode()
        if "!" in text:
            raise ValueError("It shouts already")
        return cls(f"{text.upper()}!")


Raw = NewType("Raw", bytes)
Text = NewType("Text", str)
T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=str)
OPTIONAL = Optional[dict]  # type: ignore[type-arg]  # noqa: UP045 - the old spelling
TIMER = b'{"triggerTime": "2026-07-29T10:02:58Z", "triggerName": "nightly", "payload": ""}'
LARGE = 123456789012345678901234567890
ORDER = b'{"id": "o-1", "items": [{"size": 1}, {"size": 2}]}'


@pytest.mark.parametrize(
    ("kind", "event", "value"),
    [
        (str, "阿达".encode(), "阿达"),
        (str, b'"text"', '"text"'),
        (str, b"", ""),
        (dict, b' {"a": [1]}\n', {"a": [1]}),
        (list, b"[1, null]", [1, None]),
        (dict[str, int], b'{"a": 1}', {"a": 1}),
        (dict[str, Any], b'{"a": 123456789012345678901234567890}', {"a": LARGE}),
        (list[Item], b'[{"size": 3}]', [Item(3)]),
        (int, b"7", 7),
        (Text, b"7", "7"),
        (Annotated[str | None, "x"], b"7", "7"),
        (Annotated[int, msgspec.Meta(ge=3)], b"7", 7),
        (NewType("Count", int), b"7", 7),
        (BoundT, b"7", "7"),
        (None, b"null", None),
        (int | list[int], b"[7]", [7]),
        (OPTIONAL, b"null", None),
        (OPTIONAL, b"", None),
        (dict | None, b" \n", None),
        (str | None, b"", None),
        (str | None, b"text", "text"),
        (Shelf, b'{"books": ["x"], "more": 1}', {"books": ["x"]}),
        (Measures, '{"länge": 1, "kiste": {"größe": 2}}'.encode(), {"länge": 1, "kiste": Chest(2)}),
        (Order, ORDER, Order("o-1", [Item(1), Item(2)])),
        (Parcel, b'{"weight": 3}', Parcel(3)),
        (Item, b'{"size": 3, "unknown": 1}', Item(3)),
        (Line, b'{"size": "3", "theNote": "x"}', Line(size=3, theNote="x")),
        (Line | None, b"null", None),
        (Line | None, b'{"size": 3}', Line(size=3)),
        (list[Line], b'[{"size": 3}]', [Line(size=3)]),
        (Invoice, b'{"lines": [{"size": 3}]}', Invoice([Line(size=3)])),
        (Shout, b"hello", "HELLO!"),
        (Shout | None, b"", None),
    ],
    ids=str,
)  # fmt: skip
def test_an_event_is_decoded_into_the_type(kind: Any, event: bytes, value: object) -> None:
    decoded = decode(event, kind)
    assert decoded == value
    assert type(decoded) is type(value) or kind is Shout


# Python 3.14 has no ByteString
BYTE_STRING = getattr(typing, "ByteString", bytes)


@pytest.mark.parametrize(
    "kind",
    [bytes, Any, object, bytes | None, bytes | str, Annotated[bytes, "x"], Raw, Raw | None, T,
     any, BYTE_STRING, BYTE_STRING | None, AnyStr, Hashable, Iterable, Sized],
    ids=str,
)  # fmt: skip
def test_a_type_that_bytes_are_of_leaves_the_event_untouched(kind: Any) -> None:
    assert decoder(kind) is None
    assert decode(b"\xff", kind) == b"\xff"


@pytest.mark.parametrize(
    ("kind", "event", "reported"),
    [
        (Order, b'{"id": "o", "items": [{"size": 1}, {"size": "x"}]}',
         "does not fit Order: $.items[1].size: expected int, got str"),
        (Order, b'{"id": "", "items": []}', "does not fit Order: an order needs an id"),
        (list[Order], b'[{"id": "", "items": []}]', "list[Order]: $[0]: an order needs an id"),
        (Order, b'{"id": "o"}', "does not fit Order: object missing required field items"),
        (Order, b"[1]", "does not fit Order: expected object, got array"),
        (Order, b'["{}"]', "expected object, got array (EventBridge sends an array of JSON strings "
         "for Kafka: ask for KafkaEvent)"),
        (dict, b' [ "{}"]', "ask for KafkaEvent)"),
        (dict, b"", "does not fit dict: it is empty (dict | None takes it)"),
        (dict, b"  ", "malformed JSON at byte 2: it ends too early"),
        (dict, b'{"a": tru', "malformed JSON at byte 9: it ends too early"),
        (dict, b'{"a": x}', "malformed JSON at byte 6: invalid character"),
        (dict, b'{"a": 1} x', "malformed JSON at byte 10: trailing characters"),
        (dict, b'{"a": "\\ud800"}', "malformed JSON: half a surrogate pair"),
        (dict, b"hello topic",
         "malformed JSON at byte 0: invalid character (it is plain text: if that is right, "
         "ask for str or bytes)"),
        (dict, b"a=1&b=2", "(it is a form (name=value&...): if that is right, ask for "),
        (Order, b"a\xff", "(it is binary data: if that is right, ask for str or bytes)"),
        (Order, TIMER, "(it looks like an event of the trigger 'timer': ask for TimerEvent)"),
        (OSSEvent, TIMER, "(it looks like an event of the trigger 'timer': ask for TimerEvent)"),
        (Line, TIMER, "(it looks like an event of the trigger 'timer': ask for TimerEvent)"),
        (TimerEvent, TIMER.replace(b'""', b"1"), "$.payload: expected str, got int"),
        (dict, b"\xa2gVersion", "(Tablestore sends CBOR: ask for TablestoreEvent)"),
        (dict, b'{"key": "ab\xff"}', "not UTF-8 at byte 11"),
        (dict, b"\xef\xbb\xbf{}", "malformed JSON at byte 0"),
        (str, b"abc\xff", "does not fit str: not UTF-8 at byte 3"),
        (list, b"[" * 100_000, "does not fit list: it is nested too deeply"),
        (dict[str, int], b'{"a": "b"}', "dict[str, int]: $[...]: expected int, got str"),
        (dict[int, int], b'{"a": 1}', "key of $: expected int, got str"),
        (Annotated[int, msgspec.Meta(ge=3)], b"2", "expected int >= 3"),
        (Literal["a"], b'"b"', "Literal['a']: invalid enum value 'b'"),
        (Parcel, b'{"weight": 0}', "does not fit Parcel: 'weight' must be > 0: 0"),
        (Line, b'{"size": "x"}', "Line: $.size: Input should be a valid integer, unable to parse "
         "string as an integer"),
        (Line, b' [ "{}"]', "Input should be an object (EventBridge sends an array"),
        (Quoting, b'{"a": {}, "b": 1}', "does not fit Quoting: Value error, no b"),
        (Line, b'{"size": "x", "colour": "green"}', "(and 1 more)"),
        (Line, b'{"size": 1', "does not fit Line: malformed JSON at byte 10: it ends too early"),
        (Line, b'{"size": "\xff"}', "not UTF-8 at byte 10"),
        (Line, b"", "does not fit Line: it is empty (Line | None takes it)"),
        (list[Line], b'[{"size": 1}, {"size": []}]',
         "list[Line]: $[1].size: Input should be a valid integer"),
        (Invoice, b'{"lines": [{}]}', "Invoice: $.lines[0].size: Field required"),
        (Shout, b"hello!", "does not fit Shout: It shouts already"),
        (Shout, b"\xff", "does not fit Shout: not UTF-8 at byte 0"),
        (Order | None, b'{"id": 1}', "Order | None: $.id: expected str, got int"),
    ],
)  # fmt: skip
def test_an_event_that_does_not_fit_is_reported_with_its_place(
    kind: Any, event: bytes, reported: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(event, kind)
    assert reported in str(caught.value)
    assert str(caught.value).startswith("the event does not fit ")


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (Strict, b'{"%s": 1}'),
        (Literal["a"], b'"%s"'),
        (Quoting, b'{"a": "%s"}'),
        (Quoting, b'{"a": {"%s": "%s"}}'),
        (list[Quoting], b'[{"a": "%s"}]'),
        (Quoting, b"%s"),
        (dict, b"%s"),
        (str, b"%s\xff"),
    ],
)
def test_an_error_quotes_no_more_than_a_little_of_the_event(kind: Any, event: bytes) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(event.replace(b"%s", b"secret" * 1000), kind)
    assert str(caught.value).count("secret") <= 20
    assert len(format_error(caught.value)) < 400


def test_what_an_error_quotes_stays_on_its_line() -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(b'"a\\nFC Invoke End"', Literal["b"])
    assert "\n" not in str(caught.value)
    assert "a\\nFC Invoke End" in str(caught.value)


def test_a_class_tells_in_the_log_what_it_did_not_take() -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(b"!", Shout)
    assert "ValueError: It shouts already" in format_error(caught.value)
    assert "in from_event" in format_error(caught.value)


class Inner:
    @classmethod
    def from_event(cls, event: bytes) -> str:
        return bytes.fromhex(event.decode()).decode()


def test_text_in_an_event_that_is_not_text_is_reported() -> None:
    with pytest.raises(InvalidEvent, match="does not fit Inner: 'utf-8' codec can't decode byte"):
        decode(b"ff", Inner)


class Careless:
    @classmethod
    def from_event(cls, event: bytes) -> "Careless":
        raise KeyError("a mistake of its own")


def test_an_error_that_is_not_about_the_event_is_passed_on() -> None:
    with pytest.raises(KeyError):
        decode(b"", Careless)


class Foreign:
    pass


class Answering(Protocol):
    def answer(self) -> None: ...


class Unresolvable(msgspec.Struct):
    a: "NoSuchType"  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("kind", "reported"),
    [
        (Foreign, "Foreign is not a type that JSON can be decoded into"),
        (list[Foreign], "Foreign is not a type"),
        (Iterable[int], "is not a type that JSON can be decoded into"),
        (Answering, "Answering is not a type"),
        (dict[str, tuple[int, Foreign | None]], "Foreign is not a type"),
        (bytearray, "bytes, which cannot be changed"),
        (Item | Invoice, "multiple Struct types"),
        (Unresolvable, "a field cannot be resolved: name 'NoSuchType' is not defined"),
    ],
)
def test_a_type_that_cannot_be_decoded_is_refused(kind: Any, reported: str) -> None:
    with pytest.raises(TypeError, match=reported.replace("(", r"\(")):
        decoder(kind)


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


def test_a_type_that_contains_itself_is_decoded() -> None:
    assert decode(b'{"children": [{}]}', Tree) == Tree([Tree()])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Order, "Order"),
        (dict[str, int], "dict[str, int]"),
        (OPTIONAL, "Optional[dict]"),
        (list[Order], "list[Order]"),
        (Literal["a"], "Literal['a']"),
    ],
)
def test_a_type_is_named_without_its_modules(kind: Any, name: str) -> None:
    assert type_name(kind) in (name, name.replace("Optional[dict]", "dict | None"))


KINDS = (str, dict, list[int], dict[str, int], Order, Parcel, Item, Shelf, Line, list[Line], Tree)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_decoded_or_are_an_invalid_event(kind: Any, event: bytes) -> None:
    with contextlib.suppress(InvalidEvent):
        decode(event, kind)


@settings(deadline=None)
@given(st.data())
def test_a_cut_or_changed_event_is_decoded_or_is_an_invalid_event(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(ORDER)))
    event = (
        ORDER[:at] + data.draw(st.binary(max_size=3)) + ORDER[at + data.draw(st.integers(0, 9)) :]
    )
    with contextlib.suppress(InvalidEvent):
        assert isinstance(decode(event, Order), Order)


@settings(deadline=None)
@given(st.text(min_size=1), st.lists(st.integers()))
def test_what_was_encoded_is_decoded_again(name: str, sizes: list[int]) -> None:
    order = Order(name, [Item(size) for size in sizes])
    assert decode(msgspec.json.encode(order), Order) == order


TYPES = """\
from dataclasses import dataclass
from fcplug import hookimpl
@dataclass
class Order:
    size: int
"""
SHAPES = {
    "function": "def handle(order: Order, context): return f'{order!r} {context.request_id}'",
    "one argument": "def handle(order: Order): return f'{order!r} 1-2'",
    "function with defaults": "def handle(o: Order, c='', *, d=1): return f'{o!r} {c.request_id}'",
    "async function": "async def handle(o: Order, c): return f'{o!r} {c.request_id}'",
    "hook": "class handle:\n  @staticmethod\n  @hookimpl\n"
            "  def invoke(event: Order, context): return f'{event!r} {context.request_id}'",
    "method": "class handle:\n  @hookimpl\n"
              "  def invoke(self, event: Order, context): return f'{event!r} {context.request_id}'",
    "class method": "class handle:\n  @hookimpl\n  @classmethod\n"
                    "  def invoke(cls, event: Order): return f'{event!r} 1-2'",
    "method of the event only": "class handle:\n  @hookimpl\n"
                                "  def invoke(self, event: Order): return f'{event!r} 1-2'",
    "other order": "class handle:\n  @hookimpl\n"
                   "  def invoke(self, context, event: Order):\n"
                   "    return f'{event!r} {context.request_id}'",
    "async method": "class handle:\n  @hookimpl\n"
                    "  async def invoke(self, event: Order, context):\n"
                    "    return f'{event!r} {context.request_id}'",
    "partial": "import functools\ndef both(a, o: Order, c): return f'{o!r} {c.request_id}'\n"
               "handle = functools.partial(both, 1)",
    "callable object": "class Callable:\n"
                       "  def __call__(self, o: Order, c): return f'{o!r} {c.request_id}'\n"
                       "handle = Callable()",
    "decorated": "import functools\n"
                 "def logged(function):\n"
                 "  @functools.wraps(function)\n"
                 "  def call(*args): return function(*args)\n"
                 "  return call\n"
                 "@logged\ndef handle(o: Order, c): return f'{o!r} {c.request_id}'",
    "callable that is empty": "class Callable(list):\n"
                              "  def __call__(self, o: Order, c): return f'{o!r} {c.request_id}'\n"
                              "handle = Callable()",
    "nested type": "class handle:\n  @dataclass\n  class Order:\n    size: int\n"
                   "    def __repr__(self): return f'Order(size={self.size})'\n  @hookimpl\n"
                   "  def invoke(self, event: Order, context):\n"
                   "    return f'{event!r} {context.request_id}'",
}  # fmt: skip


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"], ids=["", "future"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_of_handler_is_given_the_event_as_it_is_annotated(
    shape: str, future: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", f"{future}{TYPES}{shape}\n")
    runtime = serve(f="index:handle")
    answer = runtime.invoke(b'{"size": 7}', called("f", request_id="1-2"))
    assert answer.body == b"Order(size=7) 1-2", answer.error and format_error(answer.error)
    wrong = runtime.invoke(b'{"size": "7"}', called("f", request_id="1-2"))
    assert json.loads(wrong.body) == {
        "errorMessage": "the event does not fit Order: $.size: expected int, got str",
        "errorType": "InvalidEvent",
    }
    assert runtime.invoke(b'{"size": 7}', called("f", request_id="1-2")).body == answer.body


def test_a_module_with_hooks_is_given_the_event_as_it_is_annotated(
    code: Code, serve: Serve, called: Called
) -> None:
    code("package.hooks", f"{TYPES}@hookimpl\ndef invoke(event: Order): return repr(event)\n")
    code("package.__init__", "from package import hooks\n")
    answer = serve(f="package:hooks").invoke(b'{"size": 7}', called("f"))
    assert answer.body == b"Order(size=7)"


@pytest.mark.parametrize(
    "text",
    [
        "def handle(event: bytes, context): return event",
        "def handle(event: 'bytes | None', context): return event",
        "def handle(event: Any, context: dict): return event",
        "def handle(event: object, context: 'NoSuchName'): return event",
        "def handle(event: any, context): return event",
        "def handle(event: getattr(typing, 'ByteString', bytes), context): return event",
        "def handle(*events: dict): return events[0]",
        "def handle(context: dict): return b'{'",
        "class handle:\n  @hookimpl\n  def invoke(self, event: bytes) -> dict: return event",
        "class handle:\n  @hookimpl\n  def invoke(self, context: dict): return b'{'",
    ],
)
def test_a_handler_that_asks_for_no_type_gets_the_bytes(
    text: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", f"import typing\nfrom typing import Any\nfrom fcplug import hookimpl\n{text}\n")
    assert serve(f="index:handle").invoke(b"{", called("f")).body == b"{"


@pytest.mark.parametrize("before", ["", "class handle:\n @hookimpl\n"], ids=["plain", "hook"])
def test_only_an_event_that_is_decoded_costs_a_call_more(
    before: str, code: Code, serve: Serve, called: Called
) -> None:
    body = "context): return len(inspect.stack(0))\n"
    head = "import inspect\nfrom fcplug import hookimpl\n" + before
    define = " def invoke(self, event" if before else "def handle(event"
    annotations = {"plain": "", "raw": ": bytes", "decoded": ": dict"}
    for name, annotation in annotations.items():
        code(name, f"{head}{define}{annotation}, {body}")
    runtime = serve(**{name: f"{name}:handle" for name in annotations})
    plain, raw, decoded = (int(runtime.invoke(b"{}", called(name)).body) for name in annotations)
    assert (raw, decoded) == (plain, plain + 1)


def load_error(answer: Any) -> str:
    assert isinstance(answer.error, PluginError)
    assert answer.error.kind == "PluginInvalid"
    return str(answer.error)


def test_an_annotation_that_cannot_be_resolved_is_a_load_error(
    code: Code, serve: Serve, called: Called
) -> None:
    file = code("index", "def handle(event: 'Ordr', context): return event\n")
    reported = load_error(serve(f="index:handle").invoke(b"{}", called("f")))
    assert (
        "the annotation \"event: 'Ordr'\" cannot be resolved: name 'Ordr' is not defined"
        in reported
    )
    assert f"{file}:1" in reported
    assert "outside of TYPE_CHECKING" in reported


def test_a_type_that_cannot_be_decoded_is_a_load_error(
    code: Code, serve: Serve, called: Called
) -> None:
    file = code("index", "class Order: ...\ndef handle(event: Order, context): return event\n")
    reported = load_error(serve(f="index:handle").invoke(b"{}", called("f")))
    assert "asks for an event that cannot be decoded: Order is not a type" in reported
    assert f"{file}:2" in reported
    assert "fix: annotate the event with str, dict, list, TypedDict, a dataclass" in reported


def test_an_async_handler_s_event_is_decoded_where_the_call_comes_from(
    code: Code, serve: Serve, called: Called
) -> None:
    code(
        "index",
        """
        import threading
        class Where(str):
            @classmethod
            def from_event(cls, event):
                return cls(threading.current_thread().name)
        async def handle(event: Where):
            return f"{event} {threading.current_thread().name}"
    """,
    )
    decoded_on, handled_on = serve(f="index:handle").invoke(b"", called("f")).body.split()
    assert decoded_on != handled_on == b"fcplug-event-loop"


MIDDLEWARE = """\
from fcplug import hookimpl
seen = []
class Plain:
    @hookimpl(wrapper=True)
    def invoke(self, event{annotation}):
        seen.append(event)
        try:
            return (yield)
        except Exception as error:
            seen.append(type(error).__name__)
            raise
def handle(event: dict):
    return {{"seen": [repr(each) for each in seen], "event": event}}
"""


@pytest.mark.parametrize("annotation", ["", ": bytes", ": object", ": 'bytes'"])
def test_middleware_sees_the_event_as_it_came(
    annotation: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", MIDDLEWARE.format(annotation=annotation))
    runtime = serve(f={"handler": "index:handle", "middleware": ["index:Plain"]})
    answer = json.loads(runtime.invoke(b'{"a": 1}', called("f")).body)
    assert answer == {"seen": ["b'{\"a\": 1}'"], "event": {"a": 1}}
    runtime.invoke(b"[]", called("f"))
    assert json.loads(runtime.invoke(b"{}", called("f")).body)["seen"][1:] == [
        "b'[]'",
        "'InvalidEvent'",
        "b'{}'",
    ]


def test_middleware_that_asks_for_a_type_is_a_load_error(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", MIDDLEWARE.format(annotation=": dict"))
    runtime = serve(f={"handler": "index:handle", "middleware": ["index:Plain"]})
    reported = load_error(runtime.invoke(b"{}", called("f")))
    assert "the wrapper invoke(event: dict) asks for a decoded event" in reported
    assert "middleware 'index:Plain'" in reported
    assert (
        "fix: annotate it with bytes, and decode what you need: fcplug.events.decode(" in reported
    )


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_an_event_that_does_not_fit_fails_its_own_call_wherever_the_handler_runs(
    isolation: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", f"{TYPES}def handle(event: Order): return repr(event)\n")
    runtime = serve(f={"handler": "index:handle", "isolation": isolation})
    try:
        assert runtime.invoke(b'{"size": 7}', called("f")).body == b"Order(size=7)"
        wrong = runtime.invoke(b'{"size": ', called("f"))
        assert json.loads(wrong.body) == {
            "errorMessage": "the event does not fit Order: malformed JSON at byte 9: "
            "it ends too early",
            "errorType": "InvalidEvent",
        }
        assert wrong.error is not None
        assert format_error(wrong.error) == json.loads(wrong.body)["errorMessage"]
        assert runtime.invoke(b'{"size": 7}', called("f")).body == b"Order(size=7)"
    finally:
        runtime.stop(20)
