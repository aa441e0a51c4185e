"""The configuration: the values of each key, the reports of mistakes, the merged defaults."""

import re
from textwrap import dedent

import pytest

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec, MiddlewareEntry, RuntimeEntry
from fcplug.errors import ConfigError

ANSWERS = "nothing answers its calls: give handler, wsgi or asgi"
HELLO = "version: 1\nfunctions:\n  hello: {handler: hello}\n"


def read(text: str) -> Config:
    return loader.parse(dedent(text), "f.yaml", {})


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(text)
    return str(error.value).splitlines()


def function(entry: str, defaults: str = "{}") -> FunctionSpec:
    text = f"version: 1\ndefaults: {defaults}\nfunctions:\n  f: {{handler: h, {entry}}}\n"
    return read(text).functions["f"]


def test_the_smallest_file_has_the_documented_defaults() -> None:
    parsed = read(HELLO)
    assert parsed.runtime == RuntimeEntry(
        threads=32, drain_timeout=30, log_format="text", log_level="INFO", health_path="/health"
    )
    assert list(parsed.functions) == ["hello"]
    hello = parsed.functions["hello"]
    assert (hello.name, hello.handler, hello.middleware) == ("hello", "hello", ())
    assert (dict(hello.settings), hello.timeout, hello.concurrency) == ({}, None, None)
    assert (parsed.routes, parsed.default) == ((), None)
    assert parsed.file == "f.yaml"


@pytest.mark.parametrize(
    "empty", ["runtime:", "defaults:", "runtime: {}", "routes: []", "default:"]
)
def test_a_key_without_a_value_changes_nothing(empty: str) -> None:
    parsed, plain = read(f"{HELLO}{empty}\n"), read(HELLO)
    assert parsed.runtime == plain.runtime
    assert parsed.functions == plain.functions
    assert (parsed.routes, parsed.default) == (plain.routes, plain.default)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("threads", "1", 1),
        ("threads", "10000", 10_000),
        ("threads", "0x10", 16),
        ("drain_timeout", "0.1", 0.1),
        ("drain_timeout", "86400", 86_400.0),
        ("log_format", "json", "json"),
        ("log_level", "CRITICAL", "CRITICAL"),
        ("health_path", "/", "/"),
        ("health_path", "null", None),
    ],
)
def test_each_key_of_the_runtime_is_accepted(key: str, text: str, value: object) -> None:
    parsed = read(f"{HELLO}runtime: {{{key}: {text}}}")
    assert getattr(parsed.runtime, key) == value


NAME = "expected a function name: letters, digits, '_', '.' and '-', at most 128"
COUNT, LEVELS = "a whole number", "'DEBUG' or 'INFO' or 'WARNING' or 'ERROR' or 'CRITICAL'"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("runtime: {threads: 0}", f"runtime.threads: expected {COUNT} >= 1, got 0"),
        ("runtime: {threads: 10001}", f"runtime.threads: expected {COUNT} <= 10000, got 10001"),
        ("runtime: {threads: 1.0}", f"runtime.threads: expected {COUNT}, got a number"),
        (
            "runtime: {threads: '8'}",
            f"runtime.threads: expected {COUNT}, got text: take the quotes away",
        ),
        ("runtime: {threads: '8.5'}", f"runtime.threads: expected {COUNT}, got text"),
        (
            "runtime: {supervise: 'true'}",
            "runtime.supervise: expected true or false, got text: take the quotes away",
        ),
        ("runtime: {supervise: '1'}", "runtime.supervise: expected true or false, got text"),
        ("runtime: {threads: true}", f"runtime.threads: expected {COUNT}, got true or false"),
        ("runtime: {threads: }", f"runtime.threads: expected {COUNT}, got nothing"),
        ("runtime: {drain_timeout: 0}", "runtime.drain_timeout: expected a number > 0.0, got 0"),
        (
            "runtime: {drain_timeout: 86401}",
            "runtime.drain_timeout: expected a number <= 86400.0, got 86401",
        ),
        (
            "runtime: {log_format: JSON}",
            "runtime.log_format: expected 'text' or 'json', got 'JSON'",
        ),
        ("runtime: {log_level: info}", f"runtime.log_level: expected {LEVELS}, got 'info'"),
        ("runtime: {health_path: x}", "runtime.health_path: expected a path that begins with /"),
        ("runtime: [a]", "runtime: expected a mapping, got a list"),
        ("runtime: 5", "runtime: expected a mapping, got 5"),
        ("defaults: {timeout: -1}", "defaults.timeout: expected a number > 0.0, got -1"),
        ("defaults: {timeout: a}", "defaults.timeout: expected a number, got text"),
        ("defaults: {concurrency: 0}", f"defaults.concurrency: expected {COUNT} >= 1, got 0"),
        ("defaults: {settings: [a]}", "defaults.settings: expected a mapping, got a list"),
        ("defaults: {middleware: a}", "defaults.middleware: expected a list, got text"),
        ("defaults: {middleware: [a, 5]}", f"defaults.middleware[1]: expected text, got {COUNT}"),
        ("defaults: {middleware: [{}]}", "defaults.middleware[0]: the key 'name' is missing"),
        ("defaults: {handler: x}", "defaults: unknown key 'handler'"),
        ("routes: {}", "routes: expected a list, got a mapping"),
        ("routes: [a]", "routes[0]: expected a mapping, got 'a'"),
        ("routes: [{to: hello, match: []}]", "routes[0].match: expected a mapping, got a list"),
        ("routes: [{to: hello}]", "routes[0]: the key 'match' is missing"),
        ("routes: [{match: {function: a}}]", "routes[0]: the key 'to' is missing"),
        ("default: 5", "default: expected text, got a whole number"),
        ("rutime: {}", "unknown key 'rutime' (did you mean 'runtime'?)"),
    ],
)
def test_a_value_of_the_wrong_kind_is_reported_with_its_path(entry: str, what: str) -> None:
    (problem,) = problems_of(f"{HELLO}{entry}")
    assert re.fullmatch(rf"f\.yaml:4:\d+: {re.escape(what)}", problem)


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "---\n"], ids=ascii)
def test_an_empty_file_is_reported_with_its_missing_keys(text: str) -> None:
    assert [problem.partition(": ")[2] for problem in problems_of(text)] == [
        "the key 'version' is missing: write version: 1 first",
        "the key 'functions' is missing: write functions: {hello: {handler: index.handler}}",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a]", "f.yaml:1:1: expected a mapping, got a list"),
        ("text", "f.yaml:1:1: expected a mapping, got 'text'"),
        ("version: 1\nfunctions:", "f.yaml:2:1: functions: at least one function is needed"),
        ("version: 1\nfunctions: {}", "f.yaml:2:1: functions: at least one function is needed"),
        (HELLO.replace("1", "2"), "f.yaml:1:1: version: expected 1, got 2"),
        (
            HELLO.replace("1", "'1'"),
            "f.yaml:1:1: version: expected 1, got '1': take the quotes away",
        ),
        (HELLO.replace("1", "true"), f"f.yaml:1:1: version: expected {COUNT}, got true or false"),
        ("version: 1\nfunctions: {'': {handler: h}}", f"f.yaml:2:1: functions: the key '': {NAME}"),
        (HELLO + "  b:\n", f"f.yaml:4:3: functions.b: {ANSWERS}"),
        (HELLO + "  b: {handler: }", f"f.yaml:4:3: functions.b: {ANSWERS}"),
    ],
    ids=ascii,
)
def test_a_file_of_the_wrong_shape_is_reported_in_one_line(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


@pytest.mark.parametrize(
    "name", ["a", "_", "7", "img-small_2.v1", "x" * 128], ids=lambda name: name[:20]
)
def test_a_name_that_fc_could_give_is_accepted(name: str) -> None:
    assert list(read(f"version: 1\nfunctions: {{'{name}': {{handler: h}}}}").functions) == [name]


@pytest.mark.parametrize(
    "name", ["-a", ".a", "a b", "a/b", "a\\n", "ü", "$LATEST", "x" * 129], ids=ascii
)
def test_any_other_name_is_rejected(name: str) -> None:
    (problem,) = problems_of(f'version: 1\nfunctions: {{"{name}": {{handler: h}}}}')
    assert problem == f"f.yaml:2:13: functions: the key '{name}': {NAME}"


def test_all_mistakes_of_a_file_are_reported_at_once_in_its_order() -> None:
    text = """\
        version: 2
        runtime:
          thread: 5
          log_format: xml
        defaults: {timeout: 0}
        functions:
          hello:
            handler: hello
            timeuot: 3
          resize: {concurrency: 1.5}
          ümlaut: {handler: h}
        routes:
          - match: {func: a}
            to: [hello]
        """
    assert problems_of(text) == [
        "f.yaml:1:1: version: expected 1, got 2",
        "f.yaml:3:3: runtime: unknown key 'thread' (did you mean 'threads'?)",
        "f.yaml:4:3: runtime.log_format: expected 'text' or 'json', got 'xml'",
        "f.yaml:5:12: defaults.timeout: expected a number > 0.0, got 0",
        "f.yaml:9:5: functions.hello: unknown key 'timeuot' (did you mean 'timeout'?)",
        f"f.yaml:10:3: functions.resize: {ANSWERS}",
        "f.yaml:10:12: functions.resize.concurrency: expected a whole number, got a number",
        f"f.yaml:11:3: functions: the key 'ümlaut': {NAME}",
        "f.yaml:13:13: routes[0].match: unknown key 'func' (did you mean 'function'?)",
        "f.yaml:14:5: routes[0].to: expected text or a mapping, got a list",
    ]


def test_one_report_holds_mistakes_of_every_kind() -> None:
    text = """\
        version: 2
        functions:
          a: {handler: no}
          b: {handler: "${NONE}", workers: 2}
          3: {handler: h, timeuot: 1, timeout: -3}
          c: {timeout: yes}
          d: greeter:handle
          bad name: {wsgi: a, asgi: b}
          e: !x {handler: "h", expose_credentials: true}
        routes:
          - {match: {}, to: q}
          - {match: {func: a}, to: {a: 0}}
        default: f
        """
    trap = "is a truth value to some YAML readers (write true or false)"
    assert problems_of(text) == [
        "f.yaml:1:1: version: expected 1, got 2",
        f"f.yaml:3:16: functions.a.handler: no {trap}; if text is meant, put it in quotes: 'no'",
        "f.yaml:4:16: functions.b.handler: the environment has no NONE: set it, or give a default: "
        "${NONE:-...}",
        "f.yaml:4:27: functions.b.workers: needs isolation: process",
        "f.yaml:5:3: functions: a key must be text: put it in quotes",
        "f.yaml:5:19: functions.3: unknown key 'timeuot' (did you mean 'timeout'?)",
        "f.yaml:5:31: functions.3.timeout: expected a number > 0.0, got -3",
        f"f.yaml:6:3: functions.c: {ANSWERS}",
        f"f.yaml:6:16: functions.c.timeout: yes {trap}; if text is meant, put it in quotes: 'yes'",
        "f.yaml:7:3: functions.d: expected a mapping, got 'greeter:handle': "
        'write d: {handler: "greeter:handle"}',
        f"f.yaml:8:3: functions: the key 'bad name': {NAME}",
        "f.yaml:8:23: functions.bad name.asgi: a function has one application: give wsgi or asgi",
        "f.yaml:9:6: functions.e: tags (!...) are not allowed: write a plain value",
        "f.yaml:9:24: functions.e.expose_credentials: needs wsgi or asgi",
        "f.yaml:11:6: routes[0].match: give function, handler, qualifier, event, header, path, "
        "method or content_type; default takes the rest",
        "f.yaml:11:17: routes[0].to: no function 'q'",
        "f.yaml:12:14: routes[1].match: unknown key 'func' (did you mean 'function'?)",
        "f.yaml:12:24: routes[1].to: every weight is 0: "
        "give at least one function a weight above 0",
        "f.yaml:13:1: default: no function 'f'",
    ]


QUOTES = "a key must be text: put it in quotes"
NO_TEXT = "expected text, got a whole number"
NO_LIST = "expected a list, got a whole number"
MATCH = "routes[0].match.function"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "version: 1\nfunctions: [a]\ndefault: x",
            "2:1: functions: expected a mapping, got a list",
        ),
        ("version: 1\nfunctions: {3: {handler: h}}", f"2:13: functions: {QUOTES}"),
        (f"{HELLO}  b: {{handler: 5}}", f"4:7: functions.b.handler: {NO_TEXT}"),
        (f"{HELLO}  b: {{handler: h, wsgi: 5}}", f"4:19: functions.b.wsgi: {NO_TEXT}"),
        (f"{HELLO}defaults: 5\n", "4:1: defaults: expected a mapping, got 5"),
        (f"{HELLO}runtime: {{auth: {{tokens: 5}}}}", f"4:18: runtime.auth.tokens: {NO_LIST}"),
        (
            f"{HELLO}runtime: {{auth: 5}}",
            "4:11: runtime.auth: expected a mapping or nothing, got a whole number",
        ),
        (f"{HELLO}routes: [{{match: {{function: 5}}, to: hello}}]", f"4:19: {MATCH}: {NO_TEXT}"),
        (f"{HELLO}routes: [{{match: {{function: a}}, to: 5}}]", f"4:33: routes[0].to: {NO_TEXT}"),
        (f"{HELLO}routes: 5\n", "4:1: routes: expected a list, got a whole number"),
        (f"{HELLO}default: 5\nroutes:\n", f"4:1: default: {NO_TEXT}"),
    ],
    ids=ascii,
)
def test_a_value_that_is_wrong_on_its_own_is_reported_once(text: str, problem: str) -> None:
    assert problems_of(text) == [f"f.yaml:{problem}"]


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("index.handler", ": write f: {handler: index.handler}"),
        ("greeter:handle", ': write f: {handler: "greeter:handle"}'),
        ('"${SECRET}"', ""),
    ],
)
def test_a_function_in_one_word_is_reported_with_the_fix(entry: str, advice: str) -> None:
    got = "another value (from the environment)" if "$" in entry else f"'{entry}'"
    with pytest.raises(ConfigError) as error:
        loader.parse(f"version: 1\nfunctions:\n  f: {entry}\n", "f.yaml", {"SECRET": "s3cret"})
    assert str(error.value) == f"f.yaml:3:3: functions.f: expected a mapping, got {got}{advice}"


@pytest.mark.parametrize(
    ("own", "defaults", "settings"),
    [
        ("settings: {a: 1}", "{}", {"a": 1}),
        ("timeout: 1", "{settings: {a: 1}}", {"a": 1}),
        ("settings: {a: 2}", "{settings: {a: 1, b: 1}}", {"a": 2, "b": 1}),
        ("settings: {a: null}", "{settings: {a: 1}}", {"a": None}),
        ("settings: {a: {y: 2}}", "{settings: {a: {x: 1}}}", {"a": {"y": 2}}),
    ],
    ids=["own", "default", "merged-by-key", "null-wins", "not-merged-deeper"],
)
def test_settings_are_merged_key_by_key(own: str, defaults: str, settings: object) -> None:
    assert function(own, defaults).settings == settings


@pytest.mark.parametrize(
    ("own", "defaults", "timeout", "concurrency"),
    [
        ("settings: {}", "{timeout: 60, concurrency: 5}", 60, 5),
        ("timeout: 1, concurrency: 2", "{timeout: 60, concurrency: 5}", 1, 2),
        ("timeout: null, concurrency: null", "{timeout: 60, concurrency: 5}", None, None),
        ("timeout: 0.5", "{}", 0.5, None),
    ],
    ids=["default", "own-wins", "null-unsets", "own"],
)
def test_a_functions_own_limits_replace_the_defaults(
    own: str, defaults: str, timeout: float | None, concurrency: int | None
) -> None:
    merged = function(own, defaults)
    assert (merged.timeout, merged.concurrency) == (timeout, concurrency)


@pytest.mark.parametrize(
    ("own", "names"),
    [("timeout: 1", ["a", "b"]), ("middleware: [c]", ["c"]), ("middleware: []", [])],
    ids=["default", "replaced", "none"],
)
def test_a_functions_own_middleware_replaces_the_default(own: str, names: list[str]) -> None:
    merged = function(own, "{middleware: [a, b]}")
    assert [entry.name for entry in merged.middleware] == names


def test_middleware_may_have_settings() -> None:
    merged = function("middleware: [a, {name: b, settings: {rate: 0.5}}]")
    assert merged.middleware == (MiddlewareEntry("a"), MiddlewareEntry("b", {"rate": 0.5}))


def test_an_application_answers_alone_or_together_with_a_handler() -> None:
    text = "version: 1\nfunctions:\n  f: {wsgi: 'shop:app', expose_credentials: true}\n"
    alone = read(text).functions["f"]
    assert (alone.handler, alone.application, alone.expose_credentials) == (None, "shop:app", True)
    both = function("asgi: 'shop:app', middleware: [a]")
    assert (both.handler, both.application, both.expose_credentials) == ("h", "shop:app", False)


@pytest.mark.parametrize("defaults", ["", "defaults: {middleware: [auth]}\n"])
def test_middleware_that_would_not_wrap_an_application_is_an_error(defaults: str) -> None:
    own = "" if defaults else ", middleware: [auth]"
    (problem,) = problems_of(f"version: 1\n{defaults}functions:\n  f: {{wsgi: 'shop:app'{own}}}\n")
    assert problem.endswith(
        ":7: functions.f.wsgi: middleware wraps events, and would not wrap this application: "
        "give middleware: [], and wrap the application itself"
    )
    text = f"version: 1\n{defaults}functions:\n  f: {{wsgi: 'shop:app', middleware: []}}\n"
    assert read(text).functions["f"].middleware == ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{timeout: 3}", f"functions.f: {ANSWERS}"),
        ("{wsgi: a, asgi: b}", "a function has one application: give wsgi or asgi"),
        ("{handler: h, expose_credentials: true}",
         "functions.f.expose_credentials: needs wsgi or asgi"),
    ],
)  # fmt: skip
def test_a_function_needs_exactly_one_way_to_answer(entry: str, problem: str) -> None:
    (line,) = problems_of(f"version: 1\nfunctions:\n  f: {entry}\n")
    assert line.endswith(problem)


def test_a_key_without_a_value_has_its_default() -> None:
    text = "version: 1\nfunctions:\n  f:\n    handler: h\n    settings:\n    middleware:\nroutes:\n"
    spec = loader.parse(text, "f.yaml", {}).functions["f"]
    assert (spec.settings, spec.middleware) == ({}, ())
