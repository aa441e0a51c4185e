"""Fields of JSON events: found without building the event, and never an error."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcplug.config.routes import field_path
from fcplug.runtime.event_fields import EventFields, agrees

MIB = 1024 * 1024
DEEP = b"[" * 100_000 + b"]" * 100_000


def read(event: bytes, *paths: str) -> dict[str, Any]:
    wanted = {field_path(path): path for path in paths}
    return {wanted[path]: value for path, value in EventFields(wanted).read(event).items()}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("source", "acme"),
        ("detail.type", "order.created"),
        ("detail.retry", 3.0),
        ("detail.live", True),
        ("detail.dead", False),
        ("detail.größe", "groß"),
        (r"detail.a\.b", "dotted"),
        ("detail.", None),
        ("items.0.name", "first"),
        ("items.1.name", "second"),
        ("items.2.name", None),
        ("items.0", None),
        ("detail", None),
        ("detail.none", None),
        ("source.type", None),
        ("detail.0", None),
        ("absent.type", None),
    ],
)
def test_a_path_leads_to_a_text_a_number_or_a_truth_value(path: str, value: object) -> None:
    event = {
        "source": "acme",
        "detail": {
            "type": "order.created",
            "retry": 3,
            "live": True,
            "dead": False,
            "none": None,
            "größe": "groß",
            "a.b": "dotted",
        },
        "items": [{"name": "first"}, {"name": "second"}],
    }
    paths = [path, "source", "detail.type", "items.0.name"] if path[-1:] != "." else ["source"]
    for text in (json.dumps(event), json.dumps(event, ensure_ascii=False), f" \n{event!s}"):
        found = read(text.encode(), *paths)
        assert found.get(path) == (None if text.startswith(" \n{'") else value)


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"{",
        b"Ada",
        b"null",
        b"3",
        b'"a"',
        b'[{"a": "x"}]',
        b'{"a": "x"} {"a": "x"}',
        b'{"a": "x",}',
        b'{"a": "\xff"}',
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"a": ' + b"1" * MIB + b"}",
        b'\xef\xbb\xbf{"a": "x"}',
        '{"a": "x"}'.encode("utf-16"),
        b'{"a": ' + DEEP + b"}",
        b'{"b": ' + DEEP + b', "a": "x"}',
        DEEP,
        bytes(range(256)),
    ],
    ids=lambda event: repr(event[:24]),
)
def test_what_is_not_json_or_not_such_a_field_is_not_found(event: bytes) -> None:
    assert read(event, "a", "a.b", "a.0") == {}


def test_a_field_of_32_mb_of_json_is_found_in_no_memory() -> None:
    items = b'{"x": [1, 2.5, {"y": "' + b"z" * 100 + b'"}]}, '
    count = 31 * MIB // len(items)
    event = b'{"items": [' + items * count + b'{}], "detail": {"type": "created"}}'
    fields = EventFields([field_path("detail.type"), field_path("items.1.x.0")])
    tracemalloc.start()
    try:
        found = fields.read(event)
        assert agrees(event, field_path("detail.type"), r"\Acreated\Z")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == {("detail", "type"): "created", ("items", 1, "x", 0): 1.0}
    assert peak < MIB


@pytest.mark.parametrize(
    ("event", "path", "wanted", "agreed"),
    [
        (b'{"a": "x"}', "a", r"\Ax\Z", True),
        (b'{"a": "x", "a": "x"}', "a", r"\Ax\Z", True),
        (b'{"a": "y", "a": "x"}', "a", r"\Ax\Z", False),
        (b'{"a": "y", "\\u0061": "x"}', "a", r"\Ax\Z", False),
        (b'{"a": {"b": "x"}, "a": "x"}', "a", r"\Ax\Z", False),
        (b'{"o": {"a": "y"}, "o": {"a": "x"}}', "o.a", r"\Ax\Z", False),
        (b'{"o": {}, "o": {"a": "x"}}', "o.a", r"\Ax\Z", False),
        (b'{"o": 3, "o": {"a": "x"}}', "o.a", r"\Ax\Z", False),
        (b'{"o": {"a": "y"}, "a": "x"}', "a", r"\Ax\Z", True),
        (b'{"l": [{"a": "x"}], "l": [{"a": "y"}]}', "l.0.a", r"\Ax\Z", False),
        (b'{"l": [0, {"a": "x", "b": 1}, 2]}', "l.1.a", r"\Ax\Z", True),
        (b'{"a": 3}', "a", 3.0, True),
        (b'{"a": 4, "a": 3}', "a", 3.0, False),
        (b'{"a": true}', "a", True, True),
        (b'{"a": false, "a": true}', "a", True, False),
        (b'{"a": true, "a": false}', "a", False, False),
        (b'{"a": [1], "a": true}', "a", True, False),
        (b'{"a": "x"', "a", r"\Ax\Z", False),
    ],
)
def test_keys_that_come_twice_agree_only_with_the_same_value(
    event: bytes, path: str, wanted: Any, agreed: bool
) -> None:
    assert agrees(event, field_path(path), wanted) is agreed


KEYS = st.sampled_from(["a", "b", "a.b", "x y", "ä", "'", "-1"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(st.one_of(KEYS, st.integers(0, 3)), min_size=1, max_size=4)


@given(document=DOCUMENTS, paths=st.lists(PATHS, min_size=1, max_size=4), ascii_only=st.booleans())
def test_every_field_is_what_json_loads_finds(
    document: Any, paths: list[list[str | int]], ascii_only: bool
) -> None:
    event = json.dumps(document, ensure_ascii=ascii_only).encode()
    expected = {}
    for path in map(tuple, paths):
        value: Any = document
        for key in path:
            if isinstance(key, str):
                value = value.get(key) if isinstance(value, dict) else None
            else:
                value = value[key] if isinstance(value, list) and key < len(value) else None
        if isinstance(value, bool | int | str):
            expected[path] = value
    assert EventFields([tuple(path) for path in paths]).read(event) == expected
