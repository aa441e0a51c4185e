"""Routing: who answers a call, and the same one again when the call is tried again."""

import collections
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.config.routes import MatchEntry, RouteEntry
from fcplug.context import Context
from fcplug.errors import ConfigError, UnknownFunction
from fcplug.runtime.routing import Router

HELLO = "version: 1\nfunctions:\n  hello: {handler: hello}\n"
FUNCTIONS = "version: 1\nfunctions: {a: {handler: h}, b: {handler: h}, c: {handler: h}}\n"
SPLIT = FUNCTIONS + "routes: [{match: {function: split}, to: {a: 90, b: 9, c: 1}}]"


def call(name: str = "", handler: str = "", qualifier: str = "", request_id: str = "r") -> Context:
    headers = {
        "x-fc-function-name": name,
        "x-fc-function-handler": handler,
        "x-fc-qualifier": qualifier,
        "x-fc-request-id": request_id,
    }
    return Context.from_headers(headers, {})


def router(text: str) -> Router:
    return Router(loader.parse(FUNCTIONS + text, "f.yaml", {}))


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        loader.parse(text, "f.yaml", {})
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("context", "answers"),
    [
        (call("a"), "a"),
        (call(handler="b"), "b"),
        (call("a", "b"), "a"),
        (call("unknown", "b"), "b"),
        (call("unknown", "unknown"), "c"),
        (call(), "c"),
    ],
    ids=["name", "handler", "name-before-handler", "handler-known", "default", "no-name"],
)
def test_name_then_handler_then_default_answer(context: Context, answers: str) -> None:
    assert router("default: c").resolve(context) == answers
    assert router("default: c").candidates(context) == [answers]


@pytest.mark.parametrize(
    ("context", "what"),
    [
        (call("aa"), "no function 'aa' (did you mean 'a'?); functions.yaml knows: a, b, c"),
        (call(handler="index.h"), "no function 'index.h'; functions.yaml knows: a, b, c"),
        (call("A"), "no function 'A'; functions.yaml knows: a, b, c"),
    ],
    ids=["name", "handler", "capitals"],
)
def test_an_unknown_function_is_reported_with_those_known(context: Context, what: str) -> None:
    for ask in (router("").resolve, router("").candidates):
        with pytest.raises(UnknownFunction) as error:
            ask(context)
        assert str(error.value) == what


def test_a_call_that_names_nothing_says_which_header_is_missing() -> None:
    with pytest.raises(UnknownFunction, match=r"names no function \(x-fc-function-name\)"):
        router("").resolve(call())


@pytest.mark.parametrize(
    ("match", "context", "matches"),
    [
        ("{function: x}", call("x"), True),
        ("{function: x}", call("xx"), False),
        ("{function: x}", call("X"), False),
        ("{function: x}", call(), False),
        ("{function: 'img-*'}", call("img-small"), True),
        ("{function: 'img-*'}", call("img-"), True),
        ("{function: 'img-*'}", call("an-img-small"), False),
        ("{function: 'img-?'}", call("img-1"), True),
        ("{function: 'img-?'}", call("img-12"), False),
        ("{function: 'img-[ab]'}", call("img-b"), True),
        ("{function: 'img-[!ab]'}", call("img-b"), False),
        ("{function: 'img.small'}", call("img-small"), False),
        ("{function: '['}", call("["), True),
        ("{handler: index.legacy}", call("x", "index.legacy"), True),
        ("{handler: index.legacy}", call("index.legacy"), False),
        ("{qualifier: canary}", call("x", "", "canary"), True),
        ("{qualifier: canary}", call("x", "", "LATEST"), False),
        ("{qualifier: canary}", call("x"), False),
        ("{function: x, qualifier: 'v*'}", call("x", "", "v2"), True),
        ("{function: x, qualifier: 'v*'}", call("y", "", "v2"), False),
        ("{function: x, handler: h, qualifier: q}", call("x", "h", "q"), True),
        ("{function: x, handler: h, qualifier: q}", call("x", "h", ""), False),
    ],
)
def test_a_rule_matches_when_all_it_asks_for_does(
    match: str, context: Context, matches: bool
) -> None:
    ask = router(f"routes: [{{match: {match}, to: b}}]\ndefault: c")
    assert ask.resolve(context) == ("b" if matches else "c")


def test_the_first_rule_that_matches_wins_even_over_an_exact_name() -> None:
    ask = router(
        "routes:\n"
        "  - {match: {function: a, qualifier: canary}, to: b}\n"
        "  - {match: {function: '*a*'}, to: c}\n"
        "  - {match: {function: a}, to: b}\n"
    )
    assert ask.resolve(call("a", "", "canary")) == "b"
    assert ask.resolve(call("a")) == "c"
    assert ask.resolve(call("b")) == "b"


def test_a_rule_reads_the_environment_where_headers_are_silent() -> None:
    ask = router("routes: [{match: {function: x}, to: b}]")
    assert ask.resolve(Context.from_headers({}, {"FC_FUNCTION_NAME": "x"})) == "b"


def test_weights_split_calls_in_their_proportion() -> None:
    ask = Router(loader.parse(SPLIT, "f.yaml", {}))
    drawn = collections.Counter(
        ask.resolve(call("split", request_id=f"1-{number:08x}")) for number in range(10_000)
    )
    assert 8_900 <= drawn["a"] <= 9_100
    assert 800 <= drawn["b"] <= 1_000
    assert 60 <= drawn["c"] <= 140
    assert drawn.total() == 10_000


def test_every_target_of_a_split_is_a_candidate() -> None:
    ask = Router(loader.parse(SPLIT, "f.yaml", {}))
    assert ask.candidates(call("split")) == ["a", "b", "c"]


def test_a_retry_stays_on_its_side_also_in_another_process() -> None:
    ids = [f"r-{number}" for number in range(100)]
    ask = Router(loader.parse(SPLIT, "f.yaml", {}))
    drawn = [ask.resolve(call("split", request_id=request_id)) for request_id in ids]
    assert drawn == [ask.resolve(call("split", request_id=request_id)) for request_id in ids]
    program = (
        "import sys\n"
        "from fcplug.config import loader\n"
        "from fcplug.context import Context\n"
        "from fcplug.runtime.routing import Router\n"
        "ask = Router(loader.parse(sys.argv[1], 'f.yaml', {}))\n"
        "for id in sys.argv[2:]:\n"
        "    headers = {'x-fc-function-name': 'split', 'x-fc-request-id': id}\n"
        "    print(ask.resolve(Context.from_headers(headers, {})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, SPLIT, *ids],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == drawn


class Name(str):
    """A function's name that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def cost(count: int, context: Context) -> tuple[int, int]:
    """Return the lines run and the names compared to resolve among ``count`` functions."""
    one = loader.parse(HELLO, "f.yaml", {})
    names = [Name(f"f{number}") for number in range(count)]
    many: Config = msgspec.structs.replace(
        one,
        functions=dict.fromkeys(names, one.functions["hello"]),
        routes=(RouteEntry(MatchEntry(qualifier="canary"), "f0"),),
        default="f0",
    )
    ask, lines = Router(many), 0

    def count_line(frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        nonlocal lines
        ours = frame.f_globals["__name__"].startswith("fcplug.")  # and no garbage collector's hook
        lines += ours and event == "line"
        return count_line

    Name.compared = 0
    before = sys.gettrace()
    sys.settrace(count_line)
    try:
        ask.resolve(context)
    finally:
        sys.settrace(before)
    return lines, Name.compared


@pytest.mark.parametrize(
    "context", [call("f9"), call(handler="f9"), call()], ids=["name", "handler", "default"]
)
def test_ten_thousand_functions_cost_no_more_than_ten(context: Context) -> None:
    few_lines, few_compared = cost(10, context)
    many_lines, many_compared = cost(10_000, context)
    assert few_lines == many_lines > 0
    assert many_compared <= few_compared + 10  # a hash may collide, a list would be 10,000


MATCH = (
    "routes[0].match: give function, handler, qualifier, event, header, path, method or "
    "content_type; default takes the rest"
)


@pytest.mark.parametrize(
    ("route", "problems"),
    [
        ("match: {}, to: hello", [f"11: {MATCH}"]),
        ("match: , to: hello", [f"11: {MATCH}"]),
        ("match: {}, to: x", [f"11: {MATCH}", "22: routes[0].to: no function 'x'"]),
        (
            "match: {handler: ''}, to: hello",
            ["19: routes[0].match.handler: expected text of length >= 1"],
        ),
        (
            "match: {handler: a}, to: helo",
            ["32: routes[0].to: no function 'helo' (did you mean 'hello'?)"],
        ),
        ("match: {handler: a}, to: {hello: 1, x: 2}", ["47: routes[0].to.x: no function 'x'"]),
        (
            "match: {handler: a}, to: {hello: 0}",
            ["32: routes[0].to: every weight is 0: give at least one function a weight above 0"],
        ),
        (
            "match: {handler: a}, to: {hello: -1}",
            ["37: routes[0].to.hello: expected a whole number >= 0, got -1"],
        ),
        (
            "match: {handler: a}, to: {hello: 10001}",
            ["37: routes[0].to.hello: expected a whole number <= 10000, got 10001"],
        ),
        ("match: {handler: a}, to: {}", ["32: routes[0].to: name at least one function"]),
        ("match: {handler: a}, to: ''", ["32: routes[0].to: name at least one function"]),
    ],
)
def test_a_route_that_can_lead_nowhere_is_refused(route: str, problems: list[str]) -> None:
    assert problems_of(f"{HELLO}routes: [{{{route}}}]") == [
        f"f.yaml:4:{problem}" for problem in problems
    ]


def test_a_default_that_is_not_a_function_is_refused() -> None:
    what = "default: no function 'helo' (did you mean 'hello'?)"
    assert problems_of(f"{HELLO}default: helo") == [f"f.yaml:4:1: {what}"]


Logged = Callable[[], list[str]]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Logged:
    """Return what returns the messages logged so far, each at its level WARNING."""

    def logged() -> list[str]:
        assert {record.levelname for record in caplog.records} <= {"WARNING"}
        return [record.getMessage() for record in caplog.records]

    return logged


def test_an_unknown_name_that_the_default_answers_is_logged_once(warnings: Logged) -> None:
    ask = router("default: b")
    for context in (call("bb"), call("bb", "index.handler"), call("", "x" * 500), call("bb")):
        assert ask.resolve(context) == "b"
        assert ask.candidates(context) == ["b"]
    first, second = warnings()
    assert first == (
        "no function 'bb' (did you mean 'b'?): 'b' answers in its place, "
        "as the default in functions.yaml"
    )
    assert second.startswith(f"no function '{'x' * 200}':")


def test_a_name_that_a_route_takes_or_that_is_not_there_is_not_logged(warnings: Logged) -> None:
    ask = router("default: b\nroutes: [{match: {function: 'img-*'}, to: c}]")
    drawn = [ask.resolve(c) for c in (call("img-1"), call(), call("a"), call("x", "c"))]
    assert drawn == ["c", "b", "a", "c"]
    assert warnings() == []


def test_callers_who_make_up_names_cannot_fill_the_log(warnings: Logged) -> None:
    ask = router("default: b")
    for number in range(5_000):
        assert ask.resolve(call(f"name-{number}\n")) == "b"
    logged = warnings()
    assert len(logged) == 101
    assert logged[-1] == "more unknown functions are asked for; 'b' answers, unreported"
    assert logged[0].startswith(r"no function 'name-0\n'")


def test_of_many_calls_at_once_one_logs_the_unknown_name(warnings: Logged) -> None:
    ask = router("default: b")
    together = threading.Barrier(8)

    def resolve() -> None:
        together.wait(60)
        ask.resolve(call("bb"))

    threads = [threading.Thread(target=resolve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(warnings()) == 1


def test_the_only_function_answers_calls_that_name_none() -> None:
    ask = Router(loader.parse(HELLO, "f.yaml", {}))
    assert ask.resolve(call()) == "hello"
    assert ask.candidates(call()) == ["hello"]
    for context in (call("helo"), call("", "index.handler")):
        with pytest.raises(UnknownFunction):
            ask.resolve(context)


def test_a_weight_of_zero_is_a_canary_that_is_off() -> None:
    ask = router("routes: [{match: {function: split}, to: {a: 0, b: 10, c: 0}}]")
    assert ask.candidates(call("split")) == ["b"]
    drawn = {ask.resolve(call("split", request_id=f"r-{number}")) for number in range(100)}
    assert drawn == {"b"}


def test_a_route_that_can_never_match_is_logged_with_its_place(warnings: Logged) -> None:
    router("routes:\n  - {match: {function: x}, to: a}\n  - {match: {function: x}, to: b}\n")
    what = "routes[1]: never matches: routes[0] comes first, and takes all of its calls"
    assert warnings() == [f"f.yaml:5:5: {what}"]


def test_routes_are_kept_in_the_order_of_the_file() -> None:
    parsed = loader.parse(
        f"{FUNCTIONS}routes:\n"
        "  - match: {function: 'img-*', handler: index.h, qualifier: canary}\n"
        "    to: a\n"
        "  - match: {qualifier: '*'}\n"
        "    to: {c: 10000, b: 1}\n",
        "f.yaml",
        {},
    )
    assert parsed.routes == (
        RouteEntry(MatchEntry("img-*", "index.h", "canary"), "a"),
        RouteEntry(MatchEntry(qualifier="*"), {"c": 10_000, "b": 1}),
    )
