"""Where two answers differ."""

import json

import pytest

from fcplug.recording.comparison import Difference, compare
from fcplug.recording.ignored import Ignored
from fcplug.recording.record import Answer, body_of


def differences(before: bytes, after: bytes, *ignored: str) -> list[tuple[str, object, object]]:
    found = compare(Answer(**body_of(before)), Answer(**body_of(after)), Ignored(ignored))
    return [(each.at, each.before, each.after) for each in found]


def test_json_is_compared_by_path() -> None:
    before = {"a": 1, "b": {"c": [1, 2, {"d": "x"}]}, "gone": None}
    after = {"b": {"c": [1, 3, {"d": "y"}, 4]}, "a": 1, "new one": True}
    assert differences(json.dumps(before).encode(), json.dumps(after, indent=2).encode()) == [
        ("$.b.c[1]", "2", "3"),
        ("$.b.c[2].d", '"x"', '"y"'),
        ("$.b.c[3]", None, "4"),
        ("$.gone", "null", None),
        ("$['new one']", None, "true"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1.0}'),
        (b"[NaN]", b"[NaN]"),
        (b"\xff", b"\xff"),
        (b"", b""),
        (b"text\n", b"text\n"),
    ],
)
def test_these_are_the_same(before: bytes, after: bytes) -> None:
    assert differences(before, after) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[1]", b"[true]"), (b"[0]", b"[false]"), (b"{}", b"[]"), (b"null", b""), (b"a\n", b"a"),
        (b'"1"', b"1"), (b"\xff", b"text"), (b"{", b"{}"),
    ],
)  # fmt: skip
def test_these_are_not(before: bytes, after: bytes) -> None:
    assert len(differences(before, after)) == 1
    assert len(differences(after, before)) == 1


def test_places_that_are_ignored_are_left_out_with_what_is_below() -> None:
    before, after = b'{"t": 1, "l": [{"id": 1}], "m": {"x": 1}}', b'{"l": [{"id": 2}], "m": {}}'
    assert differences(before, after, "$.t", "$..id") == [("$.m.x", "1", None)]
    assert differences(before, after, "$") == []


def test_texts_are_compared_by_lines() -> None:
    before = "".join(f"line {n}\n" for n in range(100)).encode()
    found = compare(
        Answer(**body_of(before)), Answer(**body_of(before.replace(b"50", b"!"))), Ignored()
    )
    assert found == [
        Difference("$", lines=["@@ -50,3 +50,3 @@", " line 49", "-line 50", "+line !", " line 51"])
    ]
    assert differences(b"one", b"two") == [("$", "one", "two")]


def test_bytes_are_compared_by_length_and_hash() -> None:
    ((at, before, after),) = differences(b"\xff" * 1000, b"\xfe")
    assert at == "$"
    assert str(before).startswith("1,000 bytes, sha256 ")
    assert str(after).startswith("1 bytes, sha256 ")


def test_status_error_type_code_and_headers_are_compared() -> None:
    before = Answer(status=200, error_type="A", headers=[("ETag", "1"), ("Date", "x"), ("a", "1")])
    after = Answer(status=404, code="B", headers=[("etag", "2"), ("a", "1"), ("a", "2")])
    found = compare(before, after, Ignored())
    assert [(each.at, each.before, each.after) for each in found] == [
        ("status", "200", "404"),
        ("errorType", "A", None),
        ("code", None, "B"),
        ("headers.etag", "1", "2"),
        ("headers.a", "1", "1, 2"),
    ]
    names = ["status", "errorType", "code", "headers.ETag", "headers.a"]
    assert compare(before, after, Ignored(names)) == []


def test_the_stack_trace_of_an_error_is_left_out() -> None:
    one = Answer(error_type="E", body='{"errorMessage": "no", "stackTrace": [1]}')
    two = Answer(error_type="E", body='{"errorMessage": "no", "stackTrace": [2]}')
    assert compare(one, two, Ignored()) == []


def test_of_a_body_that_was_cut_only_the_beginning_is_compared() -> None:
    whole = Answer(body="abcdef")
    assert compare(Answer(body="abc", cut=True), whole, Ignored()) == []
    assert len(compare(Answer(body="abx", cut=True), whole, Ignored())) == 1


def test_deep_json_is_compared_as_text() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert differences(deep, deep) == []
    assert len(differences(deep, b"[" + deep + b"]")) == 1
