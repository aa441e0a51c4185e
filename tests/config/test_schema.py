"""Checking values against types: what fits, how mistakes are reported, the JSON Schema."""

import json
import pathlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from fcplug.config import loader, model, schema
from fcplug.config.interpolation import FromEnvironment
from fcplug.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "config" / "functions.schema.json"
NO_NUMBER = "expected a whole number, got text"
QUOTED = f"{NO_NUMBER}: take the quotes away"
FORMAT = "expected 'text' or 'json'"
NAME = "expected a function name: letters, digits, '_', '.' and '-', at most 128"
WHOLE = """\
version: 1
runtime:
  threads: 16
  answer_on_loop: false
  drain_timeout: 1.5
  min_send_rate: 1000
  access_log: false
  log_format: json
  log_blocked: drop
  log_level: DEBUG
  health_path: /healthy
  processes: 2
  supervise: true
  preload: false
  memory_watermark: 100000000
  watchdog: 60
  reload: "off"
  trust_callers: true
  observers: [metrics, {name: otel, settings: {}}]
  auth:
    tokens: [a-token-of-16-characters]
    keys: []
defaults:
  middleware: [audit]
  settings: {a: 1}
  timeout: 60
  concurrency: 5
functions:
  hello:
    handler: hello
    middleware:
      - audit
      - name: trace
        settings: {rate: 0.5}
    settings: {b: [1, {c: d}]}
    timeout: null
    concurrency: 8
    queue: 0
    scale: {replicas: 2, memory: 1000, resources: {disk: 1}, pool: small}
  hello-2:
    handler: dist:hello
    isolation: process
    workers: 2
    memory_limit: 500000000
    max_calls: 1000
    python: .venv
    initializer: index.initializer
    pre_freeze: index.pre_freeze
    pre_stop: index.pre_stop
    shadow: {to: market, share: 12.5, timeout: 5, wait: 1, credentials: true}
    scale: {min: 0, max: 9, target: 1.5, up_after: 1, down_after: 2, cpus: 1, gpus: 1}
    triggers:
      nightly: {timer: {cron_expression: 0 0 4 * * *, payload: all, enable: false}}
      uploads:
        oss:
          bucket: photos
          events: ["oss:ObjectCreated:*"]
          prefix: image/
          suffix: .jpg
          invocation_role: acs:ram::123456:role/oss
  shop: {wsgi: "shop:app", middleware: [], expose_credentials: true, phases: hooks}
  market: {handler: hello, asgi: "shop:app", shadow: hello}
routes:
  - match: {function: "img-*", handler: index.handler, qualifier: canary}
    to: hello
  - match: {function: a}
    to: {hello: 90, hello-2: 10}
  - match: {event: {detail.type: ["order.*", 3, true]}, header: {x-tenant: a, x-b: [c, d]}}
    to: hello
  - match: {function: [a, b], path: /api/*, method: [GET, HEAD], content_type: application/json}
    to: hello
default: hello
"""


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: int
    y: int | None = None
    tags: list[str] = []


class Opaque:
    """A type that msgspec does not know."""


def problems(value: Any, kind: Any) -> list[tuple[tuple[str | int, ...], str, str]]:
    found: list[tuple[tuple[str | int, ...], str, str]] = []

    def report(path: tuple[str | int, ...], what: str, key: str = "") -> None:
        found.append((path, what, key))

    schema.check(value, kind, ("top",), report)
    return found


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        (5, float, 5.0),
        ("a", Literal["a", "b"], "a"),
        (2, Literal[1, 2], 2),
        (None, int | None, None),
        ([1, "a"], list[int | str], [1, "a"]),
        ({"x": 1}, Point, Point(1)),
        ("/mnt", Path, Path("/mnt")),
        ("/mnt", pathlib.PurePosixPath, pathlib.PurePosixPath("/mnt")),
        ("as it is", Opaque, "as it is"),
        ("as it is", "a forward reference", "as it is"),
        ({"a": [1]}, Any, {"a": [1]}),
        (FromEnvironment("8"), int, 8),
        (FromEnvironment("1.5"), float, 1.5),
        (FromEnvironment("true"), bool, True),
        (FromEnvironment("0"), bool, False),
        (FromEnvironment("8"), Annotated[int, msgspec.Meta(ge=1)] | None, 8),
        (FromEnvironment("8"), str, "8"),
        (FromEnvironment("json"), Literal["json", "text"], "json"),
        (FromEnvironment("2"), Literal[1, 2], 2),
        ([FromEnvironment("8"), 9], list[int], [8, 9]),
        ({"a": FromEnvironment("8")}, dict[str, int], {"a": 8}),
        (FromEnvironment("/mnt"), Path, Path("/mnt")),
    ],
    ids=repr,
)
def test_a_value_that_fits_is_converted(value: Any, kind: Any, converted: Any) -> None:
    assert schema.convert(value, kind) == converted
    assert type(schema.convert(value, kind)) in (type(converted), FromEnvironment)


@pytest.mark.parametrize(
    ("value", "kind", "what"),
    [
        ("8", int, QUOTED),
        ("8x", int, NO_NUMBER),
        ("-8.5", float, "expected a number, got text: take the quotes away"),
        ("1", bool, "expected true or false, got text"),
        ("false", bool, "expected true or false, got text: take the quotes away"),
        (FromEnvironment("8x"), int, NO_NUMBER),
        (-3.5, Annotated[float, msgspec.Meta(gt=0)], "expected a number > 0.0, got -3.5"),
        (1.5, int, "expected a whole number, got a number"),
        (True, int, "expected a whole number, got true or false"),
        (1, bool, "expected true or false, got a whole number"),
        (None, str, "expected text, got nothing"),
        ([], dict[str, int], "expected a mapping, got a list"),
        ({}, list[int], "expected a list, got a mapping"),
        ("x", int | None, "expected a whole number or nothing, got text"),
        (0, Annotated[int, msgspec.Meta(ge=1)], "expected a whole number >= 1, got 0"),
        (["a"], list[int], "[0]: expected a whole number, got text"),
        ({"a": {"b": "c"}}, dict[str, dict[str, int]], f"[...][...]: {NO_NUMBER}"),
        ({"x": "1"}, Point, "x: expected a whole number, got text"),
        ("jsn", Literal["text", "json"], f"{FORMAT}, got 'jsn' (did you mean 'json'?)"),
        (5, Literal["text", "json"], f"{FORMAT}, got 5"),
        (None, Literal["text"], "expected 'text', got nothing"),
        ({}, Literal["text"], "expected 'text', got a mapping"),
        ([], Literal["text"], "expected 'text', got a list"),
        (5, Path, "expected a path, got 5"),
        ([[]], list[Path], "[0]: expected a path, got a list"),
        ("a b", model.FunctionName, NAME),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_reported_in_plain_words(
    value: Any, kind: Any, what: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(what)) as error:
        schema.convert(value, kind)
    assert str(error.value) == what


@pytest.mark.parametrize("kind", [int, float, bool, Literal["a"], Literal[1], model.UrlPath, Point])
def test_a_value_of_the_environment_is_never_shown(kind: Any) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        schema.convert(FromEnvironment("s3cret-4711"), kind)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, Point, [(("top",), "the key 'x' is missing", "")]),
        ([], Point, [(("top",), "expected a mapping, got a list", "")]),
        (
            {"x": "a", "z": 1},
            Point,
            [
                (("top",), "unknown key 'z'", "z"),
                (("top", "x"), NO_NUMBER, ""),
            ],
        ),
        (
            {"x": 1, "y": None, "tag": []},
            Point,
            [
                (("top",), "unknown key 'tag' (did you mean 'tags'?)", "tag"),
            ],
        ),
        (
            {"x": 1, "tags": ["a", 2, None]},
            Point,
            [
                (("top", "tags", 1), "expected text, got a whole number", ""),
                (("top", "tags", 2), "expected text, got nothing", ""),
            ],
        ),
        (
            {"a": {"x": "1"}, "b": 5},
            dict[str, Point],
            [
                (("top", "a", "x"), QUOTED, ""),
                (("top", "b"), "expected a mapping, got 5", ""),
            ],
        ),
        (
            {"a b": 1},
            dict[Annotated[str, msgspec.Meta(pattern="^[a-z]$")], int],
            [
                (("top",), "the key 'a b': expected text matching regex '^[a-z]$'", "a b"),
            ],
        ),
        ([{"x": "1"}, "a"], list[str | Point], [(("top", 0, "x"), QUOTED, "")]),
        ({}, int | None, [(("top",), "expected a whole number or nothing, got a mapping", "")]),
        (None, str | Point, [(("top",), "expected text, got nothing", "")]),
        (None, Point | None, []),
        ("a", Annotated[str | Point, msgspec.Meta(description="either")], []),
        ({"x": 1}, Annotated[str | Point, msgspec.Meta(description="either")], []),
    ],
    ids=repr,
)
def test_every_mistake_has_its_path(value: Any, kind: Any, expected: list[Any]) -> None:
    assert problems(value, kind) == expected


def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(loader.json_schema()))


def test_the_json_schema_is_valid() -> None:
    Draft202012Validator.check_schema(json.loads(loader.json_schema()))


def test_the_committed_json_schema_is_that_of_the_code() -> None:
    assert COMMITTED.read_text("utf-8") == loader.json_schema(), "run: make schema"


def test_the_json_schema_accepts_the_configuration_of_the_repository() -> None:
    validator().validate(yaml.safe_load((ROOT / "config" / "functions.yaml").read_text("utf-8")))


def test_the_json_schema_accepts_a_file_that_uses_every_key() -> None:
    validator().validate(yaml.safe_load(WHOLE))
    loader.parse(WHOLE, "f.yaml", {})
    documented = {
        key
        for definition in json.loads(loader.json_schema())["$defs"].values()
        for key in definition["properties"]
    }
    assert documented <= set(re.findall(r"\w+(?=:)", WHOLE))


@pytest.mark.parametrize(
    "change",
    [
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("version: 1", "version: 1\nfunction: {}"),
        ("threads:", "thread:"),
        ("threads: 16", "threads: 0"),
        ("threads: 16", "threads: 1.5"),
        ("threads: 16", "threads: '16'"),
        ("drain_timeout: 1.5", "drain_timeout: 0"),
        ("log_format: json", "log_format: xml"),
        ("health_path: /healthy", "health_path: healthy"),
        ("concurrency: 8", "concurreny: 8"),
        ("handler: hello", "handler: 5"),
        ("hello-2:", '"hello 2":'),
        ("hello-2:", '"hello\\n":'),
        ("name: trace", "nam: trace"),
        ("{function: a}", "{func: a}"),
        ("{function: a}", '{function: ""}'),
        ("90", "-1"),
        ("default: hello", "default: 5"),
    ],
    ids=lambda change: change[1],
)
def test_the_json_schema_rejects_what_the_loader_rejects(change: tuple[str, str]) -> None:
    text = WHOLE.replace(*change, 1)
    assert text != WHOLE
    assert not validator().is_valid(yaml.safe_load(text))
    with pytest.raises(ConfigError):
        loader.parse(text, "f.yaml", {})


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("threads: 16", "8"),
        ("drain_timeout: 1.5", "2"),
        ("log_format: json", "text"),
        ("log_level: DEBUG", "INFO"),
        ("health_path: /healthy", "/"),
        ("concurrency: 8", "3"),
        ("timeout: 60", "2.5"),
        ("handler: hello", "other"),
        ("default: hello", "hello-2"),
        ("version: 1", "1"),
    ],
)
def test_a_variable_may_stand_for_any_plain_value(change: str, value: str) -> None:
    text = WHOLE.replace(change, f"{change.partition(':')[0]}: ${{VALUE}}", 1)
    validator().validate(yaml.safe_load(text))
    loader.parse(text, "f.yaml", {"VALUE": value})
