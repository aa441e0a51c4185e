"""The quick reader of common YAML agrees with PyYAML, and leaves all other text to it."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fcplug.config import yaml_strict, yaml_subset
from fcplug.config.interpolation import LONE_SURROGATE, filled

ENVIRON = {"NAME": "Ada", "NUMBER": "7", "EMPTY": "", "BAD": "\ud800", "LINES": "a: b\n- c\n"}

COMMON = """\
# the parts of a file

version: 1
runtime: {threads: 3, log_format: json} # in brackets
defaults:
    timeout: 1.5
    middleware: [audit, {name: trace, settings: {k: [1, 'two', "three"]}}]
functions:
  hello:
    handler: greeter:handle   # a comment

    settings:
      greeting: Good morning, ${NAME}
      colour: '#fff'
      path: /opt/data
      empty:
      quoted: "a: b"
      yes-or-no: true
  # between
  img-resize: {handler: index.handle}
default: hello
"""
ELSEWHERE = [
    *("", "# nothing\n", "- a\n", "plain\n", "[a]\n", "--- \na: b\n", "a: b\n...\n", "%YAML 1.1\n"),
    *("a: &x b", "a: *x", "a: !t b", "a: |\n  b", "a: >\n  b", "? a\n: b", "a: ? b", "'a': b"),
    *("a: b\n  c", "a:\n  b\n", "a:\n- b", "a:\n  - b", "a: [b,\n  c]", "a: 'b\n  c'", "a : b"),
    *("a:\tb", "\ta: b", "a: b\r\n", "a: b\u2028", "\ufeffa: b", "a: \x07", "a: b\x85c: d"),
    *("a: b\na: c", "a: {b: c, b: d}", "a: b: c", "a:b", "a: b:", "a: 'b' c", "a: [b] c", "a: b#c"),
    *("  a: b\nc: d", "a:\n    b: c\n  d: e", "a: b\n c: d", "a:\n  b: c\n    d: e"),
    *("a: [b,]", "a: [b", "a: {b}", "a: {b: }", "a: {b:c}", "a: [b: c]", "a: [b c: d]", "a: [b?c]"),
    *("a: yes", "a: No", "a: TRUE", "a: ~", "a: null", "yes: a", "a: [off]", "a: {on: b}", "1: a"),
    *(
        "a: 010",
        "a: 1e3",
        "a: 0x1f",
        "a: 1:30",
        "a: 2024-01-01",
        "a: -1",
        "a: .5",
        "a: 1.",
        "a: 1_0",
    ),
    *(
        "a: 1234567890123456789",
        "a: 3d",
        "a: [1x]",
        "a: 'it''s'",
        'a: "\\n"',
        "a: ${",
        "a: $${ ${x",
    ),
    *("a: ${NOWHERE}", "a: ${BAD}", "a: [${NAME}]", f"{'k' * 129}: a", "a: " + "[" * 30 + "]" * 30),
    "".join(f"{'  ' * n}a:\n" for n in range(20)),
    "a: [" + "b, " * 40_000 + "c]",
]


def fill(text: str) -> str | None:
    value, problems = filled(text, ENVIRON)
    return None if problems or re.search(LONE_SURROGATE, value) else value


def typed(value: Any) -> Any:
    """Return a value with the type of each of its parts, and its keys in their order."""
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), value


def agree(text: str) -> bool:
    """Compare the readers, and return whether the quick one has read the text."""
    quick = yaml_subset.read(text, fill)
    if quick is None:
        return False
    values, locations, problems = yaml_strict.read(text, lambda value: filled(value, ENVIRON))
    assert problems == []
    assert (typed(quick[0]), quick[1]) == (typed(values), locations)
    return True


def test_a_common_file_is_read_as_pyyaml_reads_it() -> None:
    assert agree(COMMON)
    assert agree(COMMON.replace("\n", "\n  "))
    assert agree(COMMON.rstrip())


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: ascii(text[:20]))
def test_all_other_text_is_left_to_the_strict_reader(text: str) -> None:
    assert yaml_subset.read(text, fill) is None


KEYS = st.sampled_from(["a", "b", "c", "key-x", "x.y", "_u", "y", "yes", "k" * 129])
WORDS = st.sampled_from(
    [
        *(
            "",
            "x",
            "hello",
            "module:handle",
            "a.b",
            "some words",
            "1",
            "0",
            "1.5",
            "010",
            "1.",
            "9" * 18,
        ),
        *(
            "true",
            "True",
            "yes",
            "null",
            "'q'",
            '"d"',
            "'# q'",
            "x # c",
            "x#y",
            "x: y",
            "x:",
            "größe",
        ),
        *(
            "${NAME}",
            "'${NUMBER}'",
            "${NO:-d}",
            "${LINES}",
            "${BAD}",
            "$",
            "/path",
            "a, b",
            "a [b]",
            "a ?",
        ),
        *(
            "[]",
            "{}",
            "[ a , 'b' ]",
            "{a: b}",
            "{a: 1, b: [x, {c: 2}]}",
            "{a: b, a: c}",
            "[a b, ²]",
        ),
    ]
)
VALUES = st.one_of(
    WORDS,
    st.builds("[{}, {}]".format, WORDS, WORDS),
    st.builds("{{a: {}, b: {}}}".format, WORDS, WORDS),
    st.text("ab1.:#,[]{}'\"$ -?~", max_size=8),
)
LINES = st.one_of(
    st.builds(
        "{}{}:{}{}".format,
        st.sampled_from(["", "", " ", "  ", "  ", "    "]),
        KEYS,
        st.sampled_from([" ", " ", "  ", ""]),
        VALUES,
    ),
    st.sampled_from(["", "  ", "# c", "   # c", "- a", "  - a: b", "---", "...", "  more"]),
)


@settings(deadline=None, max_examples=400)
@given(st.lists(LINES, max_size=8).map("\n".join))
@example("a:\n  b: c\n\n# d\n  e: [f, {g: h}] # i\nj: ${NAME}")
def test_pyyaml_reads_the_same_values(text: str) -> None:
    agree(text)
