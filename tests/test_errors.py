"""Each error says where, what and the likely fix."""

import inspect

import pytest

from fcplug import errors
from fcplug.errors import (
    BindError,
    ConcurrencyExceeded,
    ConfigError,
    FcplugError,
    FunctionTimeoutError,
    PluginError,
    Problem,
    UnknownFunction,
    did_you_mean,
    listing,
)

TREE = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_has_the_one_base_and_stands_in_the_drawing(kind: type[Exception]) -> None:
    assert issubclass(kind, FcplugError)
    assert kind.__name__ in (inspect.getdoc(errors) or "")


def test_an_error_is_called_by_its_class_where_it_has_no_kind_of_its_own() -> None:
    assert BindError("no").error_type == "BindError"
    assert ConcurrencyExceeded("f", 3).error_type == "ConcurrencyExceeded"
    assert list(BindError("no").causes) == []


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("timeuot", ["timeout", "handler"], " (did you mean 'timeout'?)"),
        ("timeuot", iter(["timeout"]), " (did you mean 'timeout'?)"),
        ("zebra", ["timeout", "handler"], ""),
        ("timeout", [], ""),
        ("", ["timeout"], ""),
    ],
    ids=["close", "an-iterator", "nothing-close", "nothing-known", "nothing-asked"],
)
def test_a_word_close_to_a_known_one_is_suggested(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known) == hint


@pytest.mark.parametrize(
    ("names", "reported"),
    [
        ([], "none"),
        (["b", "a"], "a, b"),
        (["c", "b", "a"], "a, b, c"),
        (["d", "c", "b", "a"], "a, b, c and 1 more"),
    ],
    ids=["none", "few", "just-enough", "too-many"],
)
def test_a_listing_is_sorted_and_cut(names: list[str], reported: str) -> None:
    assert listing(iter(names), most=3) == reported


def test_a_problem_tells_file_line_column_way_and_fault() -> None:
    assert str(Problem("f.yaml", 7, 5, "functions.a", "wrong")) == "f.yaml:7:5: functions.a: wrong"
    assert str(Problem("f.yaml", 7, 5, "", "wrong")) == "f.yaml:7:5: wrong"


@pytest.mark.parametrize(
    ("what", "reported"),
    [
        ("a\nb", r"a\nb"),
        ("a\x85b", r"a\x85b"),
        ("a\u2028b", r"a\u2028b"),
        ("a\x1b[31m", r"a\x1b[31m"),
        ("a\ud800", r"a\ud800"),
        ("größe 大小", "größe 大小"),
        ("it's \\n", "it's \\n"),
    ],
    ids=ascii,
)
def test_a_problem_is_one_line_that_any_terminal_can_show(what: str, reported: str) -> None:
    assert str(Problem("f", 1, 1, "", what)) == f"f:1:1: {reported}"


def test_the_problems_of_a_configuration_are_reported_in_the_order_of_the_file() -> None:
    error = ConfigError(
        Problem("f", line, column, "", "x") for line, column in [(2, 9), (10, 1), (2, 1)]
    )
    assert [(problem.line, problem.column) for problem in error.problems] == [
        (2, 1),
        (2, 9),
        (10, 1),
    ]
    assert str(error) == "f:2:1: x\nf:2:9: x\nf:10:1: x"


@pytest.mark.parametrize(
    ("name", "handler", "reported"),
    [
        (
            "helo",
            "",
            "no function 'helo' (did you mean 'hello'?); functions.yaml knows: hello, resize",
        ),
        (
            "",
            "resise",
            "no function 'resise' (did you mean 'resize'?); functions.yaml knows: hello, resize",
        ),
        (
            "helo",
            "resise",
            "no function 'helo' (did you mean 'hello'?); functions.yaml knows: hello, resize",
        ),
        ("x\n\x85y", "", r"no function 'x\n\x85y'; functions.yaml knows: hello, resize"),
        (
            "",
            "",
            (
                "the request names no function (x-fc-function-name) and no default is set; "
                "functions.yaml knows: hello, resize"
            ),
        ),
    ],
    ids=["a-name", "a-handler", "both", "control-characters", "neither"],
)
def test_an_unknown_function_is_reported_with_those_known(
    name: str, handler: str, reported: str
) -> None:
    assert str(UnknownFunction(name, handler, iter(["resize", "hello"]))) == reported


def test_an_unknown_function_among_thousands_lists_only_some() -> None:
    text = str(UnknownFunction("x", "", (f"f{number:04}" for number in range(10_000))))
    assert text.endswith("f0018, f0019 and 9980 more")
    assert len(text) < 300


def test_a_plugin_error_tells_where_and_how_to_mend_it() -> None:
    error = PluginError("PluginNotFound", "no plugin 'x'", fix="pip install it", causes=["a: b"])
    assert str(error) == "no plugin 'x'\n  fix: pip install it"
    assert error.located("functions.yaml:3:5") is error
    assert str(error) == "no plugin 'x'\n  in:  functions.yaml:3:5\n  fix: pip install it"
    assert error.error_type == "PluginNotFound"
    assert list(error.causes) == ["a: b"]


def test_a_plugin_error_that_knows_no_more_is_one_line() -> None:
    assert str(PluginError("UserCodeError", "it broke")) == "it broke"


def test_a_busy_function_is_reported_with_its_limit() -> None:
    assert "function 'resize' already runs 8 invocations" in str(ConcurrencyExceeded("resize", 8))


def test_numbers_in_messages_agree_with_their_nouns() -> None:
    timeout = FunctionTimeoutError("resize", 1.0, "gone")
    assert str(timeout) == "function 'resize' timed out after 1 second: gone"
    assert "after 1.5 seconds" in str(FunctionTimeoutError("resize", 1.5, "gone"))
    one = ConcurrencyExceeded("resize", 1, waiting=1)
    assert "runs 1 invocation, its concurrency in functions.yaml, and 1 more waits:" in str(one)
    abandoned = str(ConcurrencyExceeded("resize", 1, abandoned=1))
    assert "1 of its invocations was abandoned at its deadline and still runs;" in abandoned
    many = str(ConcurrencyExceeded("resize", 1, abandoned=8))
    assert "8 of its invocations were abandoned at their deadline and still run;" in many
