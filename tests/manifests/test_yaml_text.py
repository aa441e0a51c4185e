"""YAML as a person would write it, which every reader reads alike."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fcplug.manifests.yaml_text import Notes, dump

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
AMBIGUOUS = (
    "no", "Yes", "on", "OFF", "y", "N", "true", "False", "null", "Null", "~", "", "010", "0o17",
    "0x1F", "1e3", "1_000", "1:30", "12:30:45", "2026-01-31", ".5", "5.", ".inf", "-.INF",
    ".nan", "+1", "=", "<<", "- a", "a: b", "a #b", "#a", "!tag", "&a", "*a", "%a", "@a", "`a",
    "|", ">", "?", "? a", "-", ":", "a:", " a", "a ", "'a'", '"a"', "{a}", "[a]", "a,b", "---",
    "...", "\ta", "a\tb", "\ufeffa", "a\u2028b", "a\x85b", "a\x00b", "a\rb", "\U0001f600",
    "1.5.2", "64Mi", "100m", "${vars.region}", "${env('A')}", "a\\b", "0.1", "1e400",
)  # fmt: skip


def read_by_all(text: str) -> list[Any]:
    """Read with a reader of YAML 1.1 and one of YAML 1.2."""
    return [yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"a": [[], {}, [[1], {"b": []}]]})
@example({"a": {"b": "x\n\n y\n"}, "c": " x\ny", "d": "\n\nx\n", "e": "x\n\n\n", "f": "x\n \n"})
@example({"a": ["x\ny", {"b": "x\ny\n", "c": 1}]})
def test_every_reader_reads_what_was_written(value: dict[str, Any]) -> None:
    assert read_by_all(dump(value)) == [value, value]


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_a_text_stays_a_text_for_every_reader(text: str) -> None:
    value = {text: text, "list": [text, [text]], "map": {"a": {text: text}}}
    assert read_by_all(dump(value)) == [value, value]


def test_plain_words_have_no_quotes() -> None:
    value = {
        "code": "./code.zip", "path": "/usr/bin:/bin", "image": "shop:1.0", "cpu": "100m",
        "memory": "512Mi", "edition": "3.0.0", "region": "${vars.region}", "port": "9000",
        "answer": "no", "empty": "", "words": "a plain text", "many": ["GET", "POST"],
    }  # fmt: skip
    assert dump(value) == (
        "code: ./code.zip\npath: /usr/bin:/bin\nimage: shop:1.0\ncpu: 100m\nmemory: 512Mi\n"
        'edition: 3.0.0\nregion: ${vars.region}\nport: "9000"\nanswer: "no"\nempty: ""\n'
        "words: a plain text\nmany: [GET, POST]\n"
    )


def test_lines_of_a_text_stay_lines() -> None:
    text = "version: 1\n\nfunctions:\n  a: {handler: b} # c\n"
    assert dump({"data": {"functions.yaml": text}}) == (
        "data:\n  functions.yaml: |\n    version: 1\n\n    functions:\n      a: {handler: b} # c\n"
    )


def test_comments_stand_above_and_beside_their_values() -> None:
    value = {"a": 1, "b": {"c": [{"d": 2, "e": 3}], "f": []}}
    notes = Notes(
        above={("b",): "\nTwo lines\nabove.", ("b", "c", 0, "e"): "deep"},
        beside={("a",): "one", ("b", "c"): "a list", ("b", "f"): "none"},
    )
    assert dump(value, notes) == (
        "a: 1 # one\n\n# Two lines\n# above.\nb:\n  c: # a list\n    - d: 2\n      # deep\n"
        "      e: 3\n  f: [] # none\n"
    )
    assert read_by_all(dump(value, notes)) == [value, value]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_no_file_can_hold_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not JSON|surrogates"):
        dump({"a": value})
