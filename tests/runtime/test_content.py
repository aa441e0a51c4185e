"""Routes on the content of a call: its event, its headers, its path, method and media type."""

import json
import sys
from types import FrameType
from typing import Any

import pytest

from fcplug.config import loader
from fcplug.context import Context
from fcplug.errors import UnknownFunction
from fcplug.runtime.routing import Router

FUNCTIONS = "version: 1\nfunctions: {a: {handler: h}, b: {handler: h}, c: {handler: h}}\n"
EVENT = json.dumps(
    {"source": "acme", "detail": {"type": "order.created", "retry": 3, "live": True}}
).encode()


def router(text: str) -> Router:
    return Router(loader.parse(FUNCTIONS + text, "f.yaml", {}))


def call(name: str = "", **headers: str) -> Context:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return Context.from_headers({"x-fc-function-name": name, **sent}, {})


def web(path: str = "/", method: str = "GET") -> dict[str, str]:
    return {"PATH_INFO": path, "REQUEST_METHOD": method}


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ("{detail.type: order.created}", True),
        ("{detail.type: 'order.*'}", True),
        ("{detail.type: order}", False),
        ("{detail.type: [user.created, order.created]}", True),
        ("{detail.type: [user.created, 'item.*']}", False),
        ("{detail.type: 3}", False),
        ("{detail.retry: 3}", True),
        ("{detail.retry: 3.0}", True),
        ("{detail.retry: [1, 3]}", True),
        ("{detail.retry: '3'}", False),
        ("{detail.retry: true}", False),
        ("{detail.live: true}", True),
        ("{detail.live: false}", False),
        ("{detail.live: 1}", False),
        ("{detail.live: [x, 1, true]}", True),
        ("{detail: '*'}", False),
        ("{absent: '*'}", False),
        ("{source: acme, detail.type: 'order.*'}", True),
        ("{source: other, detail.type: 'order.*'}", False),
    ],
)
def test_a_field_of_the_event_matches_exactly_or_by_wildcard(match: str, matches: bool) -> None:
    ask = router(f"routes: [{{match: {{event: {match}}}, to: b}}]\ndefault: c")
    assert ask.resolve(call("x"), EVENT) == ("b" if matches else "c")


@pytest.mark.parametrize(
    ("match", "context", "matches"),
    [
        ("header: {X-Tenant: acme}", call(x_tenant="acme"), True),
        ("header: {x-tenant: acme}", call(x_tenant="Acme"), False),
        ("header: {x-tenant: 'a*'}", call(x_tenant="acme"), True),
        ("header: {x-tenant: [b, acme]}", call(x_tenant="acme"), True),
        ("header: {x-tenant: '*'}", call(), False),
        ("header: {x-tenant: '*'}", call(x_tenant=""), False),
        ("header: {x-tenant: acme, x-b: c}", call(x_tenant="acme"), False),
        ("header: {content-type: 'text/*'}", call(content_type="text/plain; a=b"), True),
        ("content_type: text/plain", call(content_type="Text/Plain; charset=utf-8"), True),
        ("content_type: [a/b, 'text/*']", call(content_type="text/plain"), True),
        ("content_type: TEXT/plain", call(content_type="text/plain"), True),
        ("content_type: '*'", call(), False),
        ("function: x, header: {x-tenant: acme}", call("x", x_tenant="acme"), True),
        ("function: x, header: {x-tenant: acme}", call("y", x_tenant="acme"), False),
        ("function: [x, 'y*']", call("yes"), True),
        ("function: [x, 'y*']", call("z"), False),
    ],
)
def test_headers_match_events_and_web_requests_alike(
    match: str, context: Context, matches: bool
) -> None:
    ask = router(f"routes: [{{match: {{{match}}}, to: b}}]\ndefault: c")
    for event, request in ((b"", None), (None, web())):
        assert ask.resolve(context, event, request) == ("b" if matches else "c")


@pytest.mark.parametrize(
    ("match", "request_", "matches"),
    [
        ("path: /api/items", web("/api/items"), True),
        ("path: /api/*", web("/api/items/3"), True),
        ("path: /api/*", web("/api"), False),
        ("path: [/a, /api]", web("/api"), True),
        ("path: /größe", web("/größe".encode().decode("latin-1")), True),
        ("path: '*'", web("/"), True),
        ("method: GET", web(method="GET"), True),
        ("method: GET", web(method="HEAD"), False),
        ("method: [PUT, POST]", web(method="POST"), True),
        ("path: /api/*, method: POST", web("/api/x", "GET"), False),
        ("path: /api/*", None, False),
        ("method: POST", None, False),
        ("event: {detail.type: 'order.*'}", web(), False),
    ],
)
def test_path_and_method_match_web_requests_only(
    match: str, request_: dict[str, str] | None, matches: bool
) -> None:
    ask = router(f"routes: [{{match: {{{match}}}, to: b}}]\ndefault: c")
    event = EVENT if request_ is None else None
    assert ask.resolve(call("x"), event, request_) == ("b" if matches else "c")


def test_the_path_is_that_of_the_application_behind_the_proxy_path_of_fc() -> None:
    ask = router("routes: [{match: {path: /api/*}, to: b}]\ndefault: c")
    context = Context.from_headers({"x-fc-function-name": "f", "x-fc-service-name": "s"}, {})
    request = web("/2016-08-15/proxy/s.LATEST/f/api/x")
    assert ask.resolve(context, None, request) == "b"
    assert ask.resolve(call("other"), None, request) == "c"


@pytest.mark.parametrize("kind", ["text", "number", "truth"])
def test_an_event_that_readers_understand_differently_matches_no_route_on_events(kind: str) -> None:
    good, bad = {"text": ('"x"', '"y"'), "number": ("3", "4"), "truth": ("true", "false")}[kind]
    ask = router(
        f"routes: [{{match: {{event: {{k: {good}, z: '*'}}}}, to: a}},"
        " {match: {event: {z: '*'}}, to: b}]\ndefault: c"
    )
    assert ask.resolve(call(), f'{{"k": {good}, "z": "z"}}'.encode()) == "a"
    assert ask.resolve(call(), f'{{"k": {good}, "k": {good}, "z": "z"}}'.encode()) == "a"
    assert ask.resolve(call(), f'{{"k": {bad}, "k": {good}, "z": "z"}}'.encode()) == "c"
    assert ask.resolve(call(), f'{{"k": {bad}, "z": "z"}}'.encode()) == "b"


def test_a_split_by_content_keeps_its_weights_and_its_retries() -> None:
    ask = router("routes: [{match: {event: {source: acme}}, to: {a: 1, b: 1}}]\ndefault: c")
    drawn = [
        ask.resolve(Context.from_headers({"x-fc-request-id": f"r-{number}"}, {}), EVENT)
        for number in range(200)
    ]
    assert {70 < drawn.count(name) < 130 for name in "ab"} == {True}
    assert ask.resolve(Context.from_headers({"x-fc-request-id": "r-1"}, {}), EVENT) == drawn[1]


def test_the_candidates_are_all_functions_that_some_content_leads_to() -> None:
    ask = router(
        "routes:\n"
        "  - {match: {function: x, event: {source: acme}}, to: a}\n"
        "  - {match: {function: y, path: /api}, to: c}\n"
        "  - {match: {function: x}, to: b}\n"
        "  - {match: {function: x, method: GET}, to: c}\n"
    )
    assert ask.candidates(call("x")) == ["a", "b"]
    assert ask.candidates(call("y")) == ["c"]
    assert ask.candidates(call("a")) == ["a"]
    with pytest.raises(UnknownFunction):
        ask.candidates(call("z"))
    with pytest.raises(UnknownFunction):
        ask.resolve(call("y"))


def calls_to_resolve(ask: Router, context: Context, event: bytes | None) -> list[str]:
    """Return the methods that Python runs to choose a function."""
    called: list[str] = []

    def note(frame: FrameType, kind: str, _: Any) -> None:
        if kind == "call" and frame.f_globals["__name__"].startswith("fcplug."):
            owner = type(frame.f_locals.get("self")).__name__
            called.append(f"{owner}.{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        ask.resolve(context, event)
    finally:
        sys.setprofile(None)
    return called


def test_the_event_is_read_once_and_only_where_names_and_headers_match() -> None:
    ask = router(
        "routes:\n"
        "  - {match: {function: x, event: {source: other}}, to: a}\n"
        "  - {match: {function: x, header: {x-a: b}, event: {source: acme}}, to: b}\n"
        "  - {match: {function: x, event: {detail.retry: 3}}, to: c}\n"
    )
    read = "EventFields.read"
    assert calls_to_resolve(ask, call("x"), EVENT).count(read) == 1
    assert read not in calls_to_resolve(ask, call("a"), EVENT)
    assert read not in calls_to_resolve(ask, call("b", x_a="b"), EVENT)
    only = router("routes: [{match: {header: {x-a: b}, event: {source: acme}}, to: b}]\ndefault: c")
    assert read not in calls_to_resolve(only, call("x"), EVENT)
    assert only.resolve(call("x", x_a="b"), EVENT) == "b"


def test_without_such_routes_nothing_of_it_runs_or_is_imported() -> None:
    plain = router("routes: [{match: {function: x}, to: b}]")
    assert calls_to_resolve(plain, call("x"), EVENT) == [
        "Router.resolve",
        "Router._targets",
        "Rule.matches",
        "NoneType.<genexpr>",
        "Context.header",
        "NoneType.<genexpr>",
    ]
    named = router("")
    assert calls_to_resolve(named, call("a"), EVENT) == ["Router.resolve", "Context.header"]
