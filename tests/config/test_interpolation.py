"""Variables in the configuration: ``${NAME}`` and ``${NAME:-default}``."""

import re
import string
from typing import Any

import pytest

from fcplug.config import document, loader
from fcplug.config.interpolation import FromEnvironment
from fcplug.errors import ConfigError


def read(text: str, **environ: str) -> Any:
    return document.parse(text, "f.yaml", environ).values


def problems_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        document.parse(text, "f.yaml", environ)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "value"),
        ("'${NAME}'", "value"),
        ('"${NAME}"', "value"),
        ("|\n  ${NAME}\n", "value\n"),
        ("a-${NAME}-${NAME}", "a-value-value"),
        ("${NAME:-other}", "value"),
        ("${ABSENT:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${ABSENT:-a:-b}", "a:-b"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("$${NAME}", "${NAME}"),
        ("a $${NAME} ${NAME}", "a ${NAME} value"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME", "$NAME"),
        ("$$", "$$"),
        ("100 $", "100 $"),
        ("${NESTED}", "${NAME}"),
        ("${TRUE}", "yes"),
    ],
)
def test_variables_are_filled_in_once_and_never_read_as_yaml(text: str, value: str) -> None:
    environ = {"NAME": "value", "EMPTY": "", "NESTED": "${NAME}", "TRUE": "yes"}
    assert read(f"key: {text}", **environ) == {"key": value}


def test_variables_are_filled_into_values_and_not_into_keys() -> None:
    assert read("'${A}': ['${A}', {b: '${A}'}]", A="x") == {"${A}": ["x", {"b": "x"}]}


@pytest.mark.parametrize(
    ("text", "from_environment"),
    [("${A}", True), ("x${A}", True), ("${B:-1}", True), ("$A", False), ("A", False)],
)
def test_text_from_the_environment_is_marked(text: str, from_environment: bool) -> None:
    assert isinstance(read(f"key: {text}", A="x")["key"], FromEnvironment) is from_environment


@pytest.mark.parametrize(
    "text", ["${", "${}", "${A", "${A:-b", "${A-b}", "${1}", "${A B}", "${A:b}", "${A:-${A}}"]
)
def test_a_malformed_variable_is_reported_with_the_ways_to_write_it(text: str) -> None:
    assert problems_of(f"key: '{text}'", A="x") == [
        "f.yaml:1:6: key: malformed ${...}: write ${NAME} or ${NAME:-default}, "
        "and $${ for a plain ${"
    ]


def test_every_missing_variable_is_reported_at_its_location() -> None:
    assert problems_of("a: ${ONE}\nb:\n  - x ${TWO} ${THREE}") == [
        "f.yaml:1:4: a: the environment has no ONE: set it, or give a default: ${ONE:-...}",
        "f.yaml:3:5: b[0]: the environment has no TWO: set it, or give a default: ${TWO:-...}",
        "f.yaml:3:5: b[0]: the environment has no THREE: set it, or give a default: ${THREE:-...}",
    ]


@pytest.mark.parametrize("text", ["a: {b: ${NAME}}", "a: [${NAME:-x}]", "a: [x, ${NAME}]"])
def test_an_unquoted_variable_in_brackets_is_reported_with_the_fix(text: str) -> None:
    assert problems_of(text, NAME="x") == [
        f"f.yaml:1:{text.index('{NAME') + 1}: ${{...}} inside {{...}} or [...] must stand in quotes"
    ]


def test_bytes_of_the_environment_that_are_not_text_are_rejected() -> None:
    assert problems_of("a: ${A}", A="\udcff") == [
        "f.yaml:1:4: a: half a character (a lone surrogate), which UTF-8 lacks"
    ]


def test_names_of_variables_are_those_of_the_shell() -> None:
    name = "_" + string.ascii_letters + string.digits
    assert read(f"a: ${{{name}}}", **{name: "x"}) == {"a": "x"}
    assert "malformed" in problems_of("a: ${Ä}")[0]


HELLO = "version: 1\nfunctions:\n  hello: {handler: hello}\n"
ROUTE = "routes: [{{match: {{function: {}}}, to: {}}}]"
OTHER = "another value (from the environment)"
NO_FUNCTION = "no function of the name that the environment gives"


def problems_with(entry: str, value: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        loader.parse(HELLO + entry, "f.yaml", {"V": value})
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("entry", "value", "place"),
    [
        ("runtime: {threads: '${V}'}", "8", lambda it: it.runtime.threads),
        ("runtime: {drain_timeout: '${V}'}", "1.5", lambda it: it.runtime.drain_timeout),
        ("runtime: {log_format: '${V}'}", "json", lambda it: it.runtime.log_format),
        ("runtime: {health_path: '${V}'}", "/up", lambda it: it.runtime.health_path),
        ("defaults: {timeout: '${V}'}", "9.5", lambda it: it.functions["hello"].timeout),
        ("defaults: {concurrency: '${V}'}", "9", lambda it: it.functions["hello"].concurrency),
        ("defaults: {settings: {a: '${V}'}}", "9", lambda it: it.functions["hello"].settings["a"]),
        ("default: ${V}", "hello", lambda it: it.default),
        (ROUTE.format("'${V}'", "hello"), "img-*", lambda it: it.routes[0].match.function),
        (ROUTE.format("a", "{hello: '${V}'}"), "3", lambda it: it.routes[0].to["hello"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_number_or_text_may_come_from_the_environment(entry: str, value: str, place: Any) -> None:
    assert str(place(loader.parse(HELLO + entry, "f.yaml", {"V": value}))) == value


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("runtime: {threads: '${V}'}", "runtime.threads: expected a whole number, got text"),
        ("runtime: {drain_timeout: '${V}'}", "runtime.drain_timeout: expected a number, got text"),
        (
            "runtime: {health_path: '${V}'}",
            "runtime.health_path: expected a path that begins with /",
        ),
        (
            "runtime: {log_format: '${V}'}",
            f"runtime.log_format: expected 'text' or 'json', got {OTHER}",
        ),
        ("runtime: ${V}", f"runtime: expected a mapping, got {OTHER}"),
        ("defaults: {settings: '${V}'}", "defaults.settings: expected a mapping, got text"),
        ("default: ${V}", f"default: {NO_FUNCTION}"),
        (ROUTE.format("a", "'${V}'"), f"routes[0].to: {NO_FUNCTION}"),
    ],
    ids=lambda text: text[:30],
)
def test_a_mistake_never_shows_a_value_of_the_environment(entry: str, what: str) -> None:
    (problem,) = problems_with(entry, "s3cret-4711")
    assert re.fullmatch(rf"f\.yaml:4:\d+: {re.escape(what)}", problem)


@pytest.mark.parametrize(
    "value", ["", "nan", "inf", "-1", "0", "1e9", "9" * 400, "٣", " 8"], ids=ascii
)
def test_a_number_of_the_environment_has_the_same_range(value: str) -> None:
    assert len(problems_with("defaults: {timeout: '${V}'}", value)) == 1
