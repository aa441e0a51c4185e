"""PyYAML's parser in C and the one in Python give the same values, places and messages."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fcplug.config import yaml_strict
from fcplug.config.interpolation import filled
from fcplug.config.yaml_mistakes import UnreadableYamlError
from fuzz.seeds import SEEDS, changed

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
OTHERS = [
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


# what libyaml accepts and PyYAML's own parser rejects, or the other way round
DIFFERENT = [
    *("a:\tb", "a: [b?c]", "a: {b?: c}", "a: [b ?c d]", "a: |# no\n  b", "a: >-#\n  b", "--- # c"),
    *("%OTHER x\n--- a\n", "%YAML 1.3\n---\na: b\n", 'a: "\\uD800"', "a: b\u2028", "a: b\x85c: d"),
    *("a: \ufeffb", "a: x\r\nb: 'y\r\n  z'\r\n", "a: x\rb: y", "a: \xa0b", "a: |\n\t\n  x"),
]


def typed(value: Any) -> Any:
    """Return a value with the type of each of its parts, and its keys in their order."""
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), value


def read(reader: Any, text: str) -> Any:
    """Return what a reader makes of a text, or its error."""
    try:
        values, locations, findings = reader(text, lambda value: filled(value, ENVIRON))
    except UnreadableYamlError as error:
        return error.finding
    return typed(values), locations, findings


def check(text: str) -> None:
    assert read(yaml_strict.read, text) == read(yaml_strict.read_with_python, text)


def test_this_pyyaml_has_the_parser_in_c() -> None:
    assert yaml_strict.HAS_C_PARSER


@pytest.mark.parametrize(
    "text",
    [COMMON, COMMON.replace("\n", "\r\n"), *SEEDS, *OTHERS, *DIFFERENT],
    ids=lambda text: ascii(text[:20]),
)
def test_both_parsers_read_a_text_alike(text: str) -> None:
    check(text)


def test_both_parsers_read_changed_configurations_alike() -> None:
    for text in changed(1500):
        check(text)


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
def test_both_parsers_read_generated_lines_alike(text: str) -> None:
    check(text)


WITHOUT = """
import sys
sys.modules["yaml._yaml"] = None  # as where PyYAML was installed without libyaml
from fcplug.config import yaml_strict
from fcplug.config.loader import parse
assert not yaml_strict.HAS_C_PARSER
print(parse(sys.stdin.read(), "f.yaml", {}).functions["f"].handler)
"""


def test_pyyaml_without_libyaml_serves_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        input="version: 1\nfunctions: {f: {handler: a.b}}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("a.b\n", "")
