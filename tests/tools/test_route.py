"""``fcplug route``: who answers and why; always the one that the runtime would choose."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fcplug import protocol
from fcplug.config import loader
from fcplug.context import Context
from fcplug.errors import UnknownFunction
from fcplug.inspection.explanation import Question, explain
from fcplug.runtime.routing import Router
from fcplug.tools.main import run
from support.deployed import deploy

CONFIG = """\
version: 1
functions:
  a: {handler: index.f}
  b: {handler: index.f}
  c: {handler: index.f}
routes:
  - match: {function: "img-*", qualifier: canary}
    to: b
  - match: {function: "img-*"}
    to: {a: 2, b: 1, c: 0}
"""
DEFAULT = "default: c\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(tmp_path, CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["route", "--json", *arguments]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_each_rule_that_was_tried_is_listed_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["route", "--function", "img-1", "--qualifier", "LATEST", "--request-id", "x"]) == 0
    rows = [row.split("  ") for row in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["RULE", "MATCHES", "WHY", "WHERE"],
        ["routes[0]", "no", "qualifier 'LATEST' is not canary", "config/functions.yaml:7"],
        ["routes[1]", "yes", "it matches", "config/functions.yaml:9"],
        [],
        ["by the route: a 66.67 %, b 33.33 %"],
        ["a answers, by the route"],
    ]


def test_without_a_request_id_a_split_leaves_open_who_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = answer(capsys, "--function", "img-1")
    assert (found["by"], found["answers"]) == ("route", None)
    assert found["functions"] == [
        {"name": "a", "percent": 66.6667},
        {"name": "b", "percent": 33.3333},
    ]
    assert found["rules"][0]["why"] == "no qualifier (it asks for canary)"


@pytest.mark.parametrize(
    ("arguments", "by", "name"),
    [
        (("--function", "img-1", "--qualifier", "canary"), "route", "b"),
        (("--function", "a", "--handler", "b"), "name", "a"),
        (("--function", "none", "--handler", "b"), "handler", "b"),
    ],
)
def test_the_kind_of_rule_that_decides_is_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], by: str, name: str
) -> None:
    found = answer(capsys, *arguments)
    assert (found["by"], found["answers"]) == (by, name)
    assert found["rules"][-1]["matches"]


def test_a_call_that_nobody_answers_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--function", "aa", code=1)
    assert found["error"].startswith("no function 'aa' (did you mean 'a'?)")
    assert [rule["rule"] for rule in found["rules"]] == [
        *("routes[0]", "routes[1]", "function name", "handler", "default"),
    ]
    assert run(["route", "--function", "aa"]) == 1
    assert "no function answers: no function 'aa'" in capsys.readouterr().out


def test_on_a_narrow_terminal_each_rule_is_a_block(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert run(["route", "--function", "a"]) == 0
    out = capsys.readouterr().out
    rows = [row.rstrip() for row in out.splitlines()]
    assert rows[:3] == ["routes[0]", "  matches: no", "  why: function 'a' is not img-*, no"]
    assert max(map(len, rows)) <= 40


def test_a_wrong_configuration_is_the_whole_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(tmp_path, CONFIG.replace("handler: index.f", "handlr: index.f"))
    assert run(["route", "--function", "a"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("unknown key 'handlr'") == 3


CONTENT = """\
version: 1
functions: {a: {handler: index.f}, b: {handler: index.f}, c: {handler: index.f}}
default: c
routes:
  - match: {function: f, event: {detail.type: "order.*"}}
    to: a
  - match: {function: f, header: {x-tenant: [acme, "b*"]}}
    to: b
  - match: {path: /api/*, method: [GET, HEAD]}
    to: b
  - match: {content_type: text/plain}
    to: a
"""


@pytest.mark.parametrize(
    ("arguments", "answers", "reasons"),
    [
        (("--event", '{"detail": {"type": "order.new"}}'), "a", ["it matches"]),
        (
            ("--event", '{"detail": {"type": "user"}}', "--header", "X-Tenant: acme"),
            "b",
            ["event detail.type 'user' is not order.*", "it matches"],
        ),
        (
            ("--header", "X-Tenant: other"),
            "c",
            [
                "no event detail.type (it asks for order.*)",
                "header x-tenant 'other' is not acme or b*",
                "not a web request (it asks for the method GET or HEAD), "
                "not a web request (it asks for the path /api/*)",
                "no content type (it asks for text/plain)",
            ],
        ),
        (
            ("--path", "/api/%78?a=b"),
            "b",
            [
                "a web request has no event (it asks for event detail.type order.*)",
                "no header x-tenant (it asks for acme or b*)",
                "it matches",
            ],
        ),
        (
            ("--path", "/ap", "--method", "POST", "--header", "content-type: text/plain;a=b"),
            "a",
            [
                "a web request has no event (it asks for event detail.type order.*)",
                "no header x-tenant (it asks for acme or b*)",
                "method 'POST' is not GET or HEAD, path '/ap' is not /api/*",
                "it matches",
            ],
        ),
        (
            ("--event", '{"detail": {"type": 3, "type": "order.x"}}', "--header", "x-tenant: b"),
            "b",
            [
                "event detail.type: the event has a key on its way twice, with different values",
                "it matches",
            ],
        ),
    ],
)
def test_routes_on_content_are_explained(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    answers: str,
    reasons: list[str],
) -> None:
    deploy(tmp_path, CONTENT)
    found = answer(capsys, "--function", "f", *arguments)
    assert found["answers"] == answers
    routes = [rule["why"] for rule in found["rules"] if rule["rule"].startswith("routes")]
    assert routes == reasons


def test_the_shadow_of_who_answers_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(tmp_path, CONFIG.replace("a: {", "a: {shadow: {to: b, share: 12.5}, "))
    assert run(["route", "--function", "a"]) == 0
    assert capsys.readouterr().out.endswith("b gets a copy of 12.5 % of its events\n")
    assert answer(capsys, "--function", "a")["shadow"] == "b"
    assert answer(capsys, "--function", "a", "--path", "/")["shadow"] is None
    assert answer(capsys, "--function", "b")["shadow"] is None


def test_the_event_may_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(tmp_path, CONTENT)
    (tmp_path / "event.json").write_text('{"detail": {"type": "order.new"}}')
    assert answer(capsys, "-f", "f", "--event", "@event.json")["answers"] == "a"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--event", "{}", "--path", "/a"), "a web request has no event"),
        (("--path", "api"), "the path 'api' does not begin with /"),
        (("--header", "x"), "the header 'x' is not 'NAME: VALUE'"),
        (("--event", "@none.json"), "the event file 'none.json' cannot be read"),
    ],
)
def test_a_call_that_cannot_be_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], what: str
) -> None:
    assert run(["route", *arguments]) == 2
    assert what in capsys.readouterr().err


NAMES = st.sampled_from(["", "a", "b", "c", "d", "img-1", "canary", "x.y"])
PATTERNS = st.sampled_from(["a", "*", "img-*", "[ab]", "?", "canary"])
NAMED = st.sampled_from(["function", "handler", "qualifier"])
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.dictionaries(st.sampled_from(["k", "o.k"]), PATTERNS | st.just(1), min_size=1),
        "header": st.dictionaries(st.sampled_from(["X-A", "x-b"]), PATTERNS, min_size=1),
        "path": st.sampled_from(["/a", "/*"]),
        "method": st.lists(st.sampled_from(["GET", "POST"]), min_size=1),
    },
)
ROUTES = st.fixed_dictionaries(
    {
        "match": st.tuples(st.dictionaries(NAMED, PATTERNS), CONDITIONS)
        .map(lambda parts: {**parts[0], **parts[1]})
        .filter(bool),
        "to": st.dictionaries(
            st.sampled_from(["a", "b", "c"]), st.integers(1, 9), min_size=1
        ) | st.sampled_from(["a", "b", "c"]),
    }
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    routes=st.lists(ROUTES, max_size=4),
    default=st.sampled_from([None, "c"]),
    call=st.tuples(NAMES, NAMES, NAMES, st.sampled_from(["1", "2", "req-3"])),
    event=st.sampled_from([b"", b'{"k": "a"}', b'{"k": 1, "o": {"k": "canary"}}', b'{"k"']),
    request=st.sampled_from([("", ""), ("/a", "GET"), ("/b", "POST")]),
)
def test_the_explanation_is_what_the_router_does(
    routes: list[dict[str, Any]],
    default: str | None,
    call: tuple[str, str, str, str],
    event: bytes,
    request: tuple[str, str],
) -> None:
    document = json.dumps(
        {
            "version": 1,
            "functions": {name: {"handler": "index.f"} for name in "abc"},
            "routes": routes,
            "default": default,
        }
    )
    config = loader.parse(document, "f", {})
    path, method = request
    question = Question(*call, {"X-A": "a"}, None if path else event, path, method)
    headers = {
        protocol.FUNCTION_NAME: question.function,
        protocol.FUNCTION_HANDLER: question.handler,
        protocol.QUALIFIER: question.qualifier,
        protocol.REQUEST_ID: question.request_id,
        "x-a": "a",
    }
    found = explain(config, question)
    router, context = Router(config), Context.from_headers(headers, {})
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method} if path else None
    if found.failure:
        with pytest.raises(UnknownFunction) as raised:
            router.resolve(context, question.event, environ)
        assert str(raised.value) == str(found.failure)
        return
    assert found.chosen == router.resolve(context, question.event, environ)
    assert set(found.weights) <= set(router.candidates(context))
