"""Where two answers differ, without any of their values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcplug.runtime.difference import difference


@pytest.mark.parametrize(
    ("first", "second", "places"),
    [
        (b"", b"", ""),
        (b"Ada", b"Ada", ""),
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1.0}', ""),
        (b'"\\u0061"', b'"a"', ""),
        (b"Ada", b"Adele", "from byte 2"),
        (b"Ada", b"Ad", "from byte 2"),
        (b"\xff\xfe", b"\xff\xfd", "from byte 1"),
        (b'{"a": 1}', b'{"a": 2}', "a has another value"),
        (b'{"a": 1}', b'{"a": true}', "a is true or false in place of number"),
        (b'{"a": {"b": "x"}}', b'{"a": {"b": null}}', "a.b is null in place of text"),
        (b'{"a": 1}', b"{}", "a is missing"),
        (b"{}", b'{"a": 1}', "a is added"),
        (b"[1]", b"[1, 2]", "it has 2 items in place of 1"),
        (b'[{"a": 1}]', b'[{"a": 2}]', "0.a has another value"),
        (b"1", b'"1"', "it is text in place of number"),
        (b'{"the secret key": 1}', b'{"the secret key": 2}', "* has another value"),
        (b'{"a": 1', b'{"a": 2', "from byte 6"),
    ],
)
def test_places_are_named_and_values_are_not(first: bytes, second: bytes, places: str) -> None:
    assert difference(first, second) == places


def test_a_few_places_stand_for_many() -> None:
    first, second = (json.dumps([base + n for n in range(100)]).encode() for base in (0, 1000))
    assert difference(first, second) == (
        "0 has another value; 1 has another value; 2 has another value; 3 has another value; "
        "4 has another value, and more"
    )


def test_answers_that_are_nested_deeply_or_are_large_are_compared_too() -> None:
    deep = [b"[" * n + value + b"]" * n for n in (60, 100_000) for value in (b"1", b"2")]
    assert difference(deep[0], deep[1]) == ".".join(["0"] * 51) + " has another value"
    assert difference(deep[2], deep[3]) == "from byte 100000"
    large = b"x" * 32 * 1024 * 1024
    assert difference(large, large + b"y") == f"from byte {len(large)}"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


@given(first=VALUES, second=VALUES)
def test_there_is_no_difference_only_between_equal_json(first: object, second: object) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    texts = (json.dumps(value).encode() for value in (first, second))
    assert (difference(*texts) == "") is same
