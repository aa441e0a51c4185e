"""Which functions may answer the calls of a function on Function Compute."""

import pytest

from fcplug.config import loader
from fcplug.inspection.reachable import reachable

FUNCTIONS = "version: 1\nfunctions: {a: {handler: x:y}, b: {handler: x:y}, c: {handler: x:y}}\n"


def reached(more: str, function: str = "a", handler: str = "") -> list[str]:
    return reachable(loader.parse(f"{FUNCTIONS}{more}", "f.yaml", {}), function, handler)


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ("[]", ["a"]),
        ("[{match: {qualifier: prod}, to: b}]", ["b", "a"]),
        ("[{match: {function: a, qualifier: [prod, '2']}, to: {b: 1, c: 9}}]", ["b", "c", "a"]),
        ("[{match: {qualifier: prod}, to: {b: 0, c: 1}}]", ["c", "a"]),
        ("[{match: {qualifier: prod}, to: b}, {match: {qualifier: test}, to: c}]", ["b", "c", "a"]),
        ("[{match: {event: {kind: order}}, to: b}]", ["b", "a"]),
        ("[{match: {header: {x-own: '1'}, qualifier: prod}, to: b}]", ["b", "a"]),
        ("[{match: {function: other, qualifier: prod}, to: b}]", ["a"]),
        ("[{match: {function: '*'}, to: b}, {match: {qualifier: prod}, to: c}]", ["b"]),
        ("[{match: {qualifier: '*'}, to: b}, {match: {function: a}, to: c}]", ["b"]),
        ("[{match: {qualifier: prod}, to: b}, {match: {function: a}, to: c}]", ["b", "c"]),
        ("[{match: {handler: h, qualifier: prod}, to: b}]", ["a"]),
    ],
)
def test_each_route_counts_that_some_call_of_the_function_can_take(
    routes: str, found: list[str]
) -> None:
    assert reached(f"routes: {routes}\n") == found


def test_routes_may_ask_for_the_handler() -> None:
    routes = "routes: [{match: {handler: h, qualifier: prod}, to: b}]\n"
    assert reached(routes, "a", "h") == ["b", "a"]


def test_a_function_that_is_not_there_is_answered_by_its_handler_or_the_default() -> None:
    assert reached("", "z", "b") == ["b"]
    assert reached("default: c\n", "z") == ["c"]
    assert reached("", "z", "index.handler") == []
    assert reached("routes: [{match: {qualifier: prod}, to: b}]\n", "z") == ["b"]
