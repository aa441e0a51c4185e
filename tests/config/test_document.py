"""YAML as plain values: stricter than YAML, each value with its location."""

from typing import Any

import pytest

from fcplug.config import document
from fcplug.config.location import Location, Path, dotted
from fcplug.config.yaml_strict import MAX_DEPTH, MAX_NODES
from fcplug.errors import ConfigError

NUMBER = "one number to some YAML readers, another or text to others"
TRUTH = "a truth value to some YAML readers (write true or false)"
DATE = "a date to some YAML readers, text to others"
TRAPS = [
    *(
        (word, TRUTH)
        for name in ("yes", "no", "on", "off")
        for word in (name, name.title(), name.upper())
    ),
    *((text, NUMBER) for text in ("010", "-010", "0o17", "0b1", "1_000", "0x_F", "-0x1F", "089")),
    *((text, NUMBER) for text in ("1:30", "1:30:45", "1:30.5", "-1:30", "190:20:30.15")),
    *((text, NUMBER) for text in ("1e3", "1E3", "1e+3", "1.5e3", ".5e3", "-.5", "+.5", "1_0.5")),
    *((text, NUMBER) for text in (".inf", "-.inf", "+.INF", ".nan", ".NaN", "1.0e+400", "9" * 19)),
    *(
        (text, DATE)
        for text in ("2024-01-01", "2024-00-01", "2024-1-1 10:00:00", "2024-01-01T00:00:00Z")
    ),
    ("=", "a special value to some YAML readers, text to others"),
    ("<<", "a merge key to some YAML readers, text to others"),
]
TAG = "tags (!...) are not allowed: write a plain value"
ONE = "expected a single document in the stream"
COLON = "this ':' does not fit: correct the indentation, or write the value in quotes"
REFERENCE = "anchors and aliases are not allowed: write the value out"


def read(text: str) -> Any:
    return document.parse(text, "f.yaml", {}).values


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        document.parse(text, "f.yaml", {})
    assert str(error.value).splitlines() == [str(problem) for problem in error.value.problems]
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("9" * 18, 10**18 - 1),
        ("0x1f", 31),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1.5e+3", 1500.0),
        ("~", None),
        ("null", None),
        ("", None),
        ("y", "y"),
        ("n", "n"),
        ("0x", "0x"),
        ("1.2.3", "1.2.3"),
        ("1-2", "1-2"),
        ("index.handler", "index.handler"),
        ("module:attribute", "module:attribute"),
        ("größe 大小", "größe 大小"),
        ("[1, [a], {b: c}]", [1, ["a"], {"b": "c"}]),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">-\n  two\n  lines\n", "two lines"),
    ],
    ids=ascii,
)
def test_values_that_every_yaml_reader_agrees_on_are_read(text: str, value: Any) -> None:
    assert read(f"key: {text}") == {"key": value}
    assert type(read(f"key: {text}")["key"]) is type(value)


@pytest.mark.parametrize(("text", "kind"), TRAPS, ids=[text for text, _ in TRAPS])
def test_values_that_yaml_readers_differ_on_are_rejected_unless_quoted(
    text: str, kind: str
) -> None:
    fault = f"{text} is {kind}; if text is meant, put it in quotes: '{text}'"
    assert problems_of(f"a:\n  key: {text}") == [f"f.yaml:2:8: a.key: {fault}"]
    assert problems_of(f"a: [1, {text}]") == [f"f.yaml:1:8: a[1]: {fault}"]
    assert problems_of(f"a: {{{text}: 1}}") == [f"f.yaml:1:5: a: {fault}"]
    assert read(f"a: ['{text}', \"{text}\"]\n'{text}': 1") == {"a": [text, text], text: 1}


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "null", "[a]", "{a: b}", "? [a, b]"])
def test_a_key_that_is_not_text_is_rejected(key: str) -> None:
    (problem,) = problems_of(f"{key}\n: 1" if key.startswith("?") else f"{key}: 1")
    assert problem.endswith(": a key must be text: put it in quotes")


def test_a_key_given_twice_is_reported_with_its_first_line() -> None:
    text = "a: 1\nb:\n  c: 1\n  'c': 2\na: {c: 1}\na: 3\n"
    assert problems_of(text) == [
        "f.yaml:4:3: b.c: key given twice (first on line 3)",
        "f.yaml:5:1: a: key given twice (first on line 1)",
        "f.yaml:6:1: a: key given twice (first on line 1)",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1", "1:4"),
        ("a: *x", "1:4"),
        ("a: &x [*x]", "1:4"),
        ("&x a: 1", "1:1"),
        ("a: {b: 1}\n*x : 2", "2:1"),
        ("base: &base {a: 1}\nb:\n  <<: *base", "1:7"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]", "1:4"),
        ("a: &x !!str b", "1:4"),
    ],
    ids=["anchor", "alias", "ring", "key", "alias-key", "merge", "billion-laughs", "with-a-tag"],
)
def test_references_are_rejected(text: str, place: str) -> None:
    assert problems_of(text) == [f"f.yaml:{place}: {REFERENCE}"]


@pytest.mark.parametrize(
    "value",
    [
        *("!!str 1", "!!str no", "!!int 5", "!!int '5'", "!!null x", "!!float 1", "! 5", "! text"),
        *("!!map {a: 1}", "!!seq [a]", "!!set {a}", "!!omap [a: 1]", "!!binary YQ==", "!own x"),
        *("!!python/object:os.system x", "!!python/name:os.system", "!<tag:yaml.org,2002:str> x"),
    ],
)
def test_every_tag_is_rejected_even_one_that_changes_nothing(value: str) -> None:
    assert problems_of(f"a: {value}")[0] == f"f.yaml:1:4: a: {TAG}"


def test_a_tag_of_a_key_is_rejected() -> None:
    assert problems_of("a: {!!str b: 1}") == [f"f.yaml:1:5: a: {TAG}"]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", "")],
    ids=["lists", "mappings", "both", "block-lists", "keys"],
)
@pytest.mark.parametrize("times", [MAX_DEPTH, 50_000])
def test_deep_nesting_is_rejected(opening: str, closing: str, times: int) -> None:
    (problem,) = problems_of(opening * times + "x" + closing * times)
    assert problem.endswith(f": nested more than {MAX_DEPTH} levels deep")
    assert problem.startswith("f.yaml:1:")


def test_too_many_values_are_rejected_before_they_take_long() -> None:
    (problem,) = problems_of("- 1\n" * MAX_NODES)
    assert problem == f"f.yaml:{MAX_NODES}:3: more than {MAX_NODES} keys and values"


def test_nesting_is_allowed_up_to_its_limit() -> None:
    depth = MAX_DEPTH - 1
    value = read("[" * depth + "x" + "]" * depth)
    for _ in range(depth):
        (value,) = value
    assert value == "x"
    assert read("[" + "[x], " * 500 + "]") == [["x"]] * 500


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n---\nb: 2", f"2:1: {ONE}, but found another document"),
        ("a:\t1", "1:3: a tab: write spaces instead"),
        ("a:\n\tb: 1", "2:1: a tab: indent with spaces"),
        ("a:\n  b: 1\n  \tc: 1", "3:3: a tab: indent with spaces"),
        ("a: {b: 1,\n\tc: 1}", "2:1: a tab: indent with spaces"),
        ("a: b: c", f"1:5: {COLON}"),
        ("a:\n  b: 1\n    c: 2", f"3:6: {COLON}"),
        ("a: 1\n b: 2", f"2:3: {COLON}"),
        ("a:\n  b:\n    c: 1\n   d: 2", "4:4: this indentation fits none of the lines above"),
        ("a:\n  - b\n  c: 1", "3:3: this indentation fits none of the lines above"),
        ("a: {b: 1}}", "1:10: the character '}' does not fit here"),
        ("a: [1", "1:6: the '[' of line 1 is not closed: add a ']'"),
        ("a: {b: 1\nc: 2\n", "2:2: a ',' or '}' is missing here, for the '{' of line 1"),
        ("a: 'x", "1:6: the quotes that begin on line 1 are not closed"),
        ("a: 1\nb", "2:2: a ':' is missing after this key"),
        ("a: x\nb: c\x07", r"2:5: the character '\x07' is not allowed in YAML"),
        ("a\x00", r"1:2: the character '\x00' is not allowed in YAML"),
        ("\n\n  \x7f", r"3:3: the character '\x7f' is not allowed in YAML"),
        ("a: '\ud800'", r"1:5: the character '\ud800' is not allowed in YAML"),
        (r'a: "\uD800"', "1:4: a: half a character (a lone surrogate), which UTF-8 lacks"),
        (r'"\uD800": 1', "1:1: half a character (a lone surrogate), which UTF-8 lacks"),
        (r'a: "\UFFFFFFFF"', "1:7: a number out of range"),
        (r'a: "\U00110000"', "1:7: a number out of range"),
        ("%YAML " + "9" * 5000 + ".1\n---\na", "1:7: a number out of range"),
        ("%YAML 2.0\n---\na", "1:1: found incompatible YAML document (version 1.* is required)"),
        ("a: @b", "1:4: a value that begins with '@' must stand in quotes"),
    ],
    ids=ascii,
)
def test_text_that_is_not_yaml_is_reported_at_its_location(text: str, problem: str) -> None:
    assert problems_of(text) == [f"f.yaml:{problem}"]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n...\n", "~"], ids=ascii)
def test_an_empty_document_is_nothing(text: str) -> None:
    assert read(text) is None


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    text = "\ufeffa: 1\r\nb:\r\n  c: no\r\n"
    assert problems_of(text)[0].startswith("f.yaml:3:6: b.c: no is ")
    assert read(text.replace("no", "d")) == {"a": 1, "b": {"c": "d"}}


def test_every_value_has_a_location_and_a_key_gives_its_own() -> None:
    parsed = document.parse("# one\na:\n  - b: 1\n  -   [c]\n", "f.yaml", {})
    assert dict(parsed.locations) == {
        (): Location(2, 1),
        ("a",): Location(2, 1),
        ("a", 0): Location(3, 5),
        ("a", 0, "b"): Location(3, 5),
        ("a", 1): Location(4, 7),
        ("a", 1, 0): Location(4, 8),
    }


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        (("a", 0), "b", "f.yaml:3:5: a[0]: x"),
        (("a", 0), "", "f.yaml:3:5: a[0]: x"),
        (("a", 7, "c"), "d", "f.yaml:2:3: a[7].c: x"),
        (("z",), "", "f.yaml:2:3: z: x"),
        ((), "a", "f.yaml:2:3: x"),
    ],
    ids=["a-key", "a-value", "what-the-file-has-not", "nowhere", "a-key-at-the-top"],
)
def test_a_problem_is_reported_at_the_nearest_known_location(
    path: Path, key: str, expected: str
) -> None:
    parsed = document.parse("\n  a:\n  - b: 1\n", "f.yaml", {})
    assert str(parsed.problem(path, "x", key)) == expected


def test_a_problem_of_an_empty_file_is_at_its_beginning() -> None:
    assert str(document.parse("", "f.yaml", {}).problem(("a",), "x")) == "f.yaml:1:1: a: x"


def test_a_path_is_shown_as_users_write_it() -> None:
    assert (
        dotted(("functions", "hello", "middleware", 0, "name"))
        == "functions.hello.middleware[0].name"
    )
    assert dotted((0, "a")) == "[0].a"
    assert dotted(()) == ""
