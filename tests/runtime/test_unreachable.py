"""Routes that can never match, found without a call."""

import pytest

from fcplug.config import loader
from fcplug.runtime.unreachable import unreachable

FUNCTIONS = "version: 1\nfunctions: {a: {handler: h}, b: {handler: h}}\nroutes:\n"
OTHER_FIRST = "routes[1]: never matches: routes[0] comes first, and takes all of its calls"


def found(*matches: str) -> list[str]:
    routes = "".join(f"  - {{match: {match}, to: a}}\n" for match in matches)
    return [str(problem) for problem in unreachable(loader.parse(FUNCTIONS + routes, "f", {}))]


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ("{function: x}", "{function: x}", True),
        ("{function: x}", "{function: x, qualifier: canary}", True),
        ("{function: x, qualifier: canary}", "{function: x}", False),
        ("{function: 'img-*'}", "{function: img-small}", True),
        ("{function: 'img-*'}", "{function: 'img-small-*'}", True),
        ("{function: 'img-small-*'}", "{function: 'img-*'}", False),
        ("{function: 'img-?'}", "{function: img-1}", True),
        ("{function: 'img-?'}", "{function: img-12}", False),
        ("{function: 'i*g-*'}", "{function: 'i*g-*'}", True),
        ("{function: 'i*g-*'}", "{function: 'ing-*'}", False),
        ("{qualifier: '*'}", "{function: x}", True),
        ("{qualifier: '*', function: x}", "{function: x}", True),
        ("{qualifier: '?*'}", "{function: x}", False),
        ("{function: x}", "{handler: x}", False),
        ("{function: [x, y]}", "{function: y}", True),
        ("{function: y}", "{function: [x, y]}", False),
        ("{function: [x, 'y*']}", "{function: [y1, 'yy*', x]}", True),
        ("{event: {a: x}}", "{event: {a: x}}", True),
        ("{event: {a: 'x*'}}", "{event: {a: xy, b: z}}", True),
        ("{event: {a: xy, b: z}}", "{event: {a: 'x*'}}", False),
        ("{event: {a: '*'}}", "{event: {b: x}}", False),
        ("{event: {a: '*'}}", "{event: {a: 3}}", False),
        ("{event: {a: [1, 3]}}", "{event: {a: 3.0}}", True),
        ("{event: {a: 1}}", "{event: {a: true}}", False),
        ("{function: x}", "{function: x, event: {a: x}}", True),
        ("{function: x, event: {a: x}}", "{function: x}", False),
        ("{header: {X-A: 'b*'}}", "{header: {x-a: [bc, bd]}, method: GET}", True),
        ("{header: {x-a: '*'}}", "{path: /a}", False),
        ("{path: /api/*}", "{path: /api/x/*, method: GET}", True),
        ("{content_type: 'TEXT/*'}", "{content_type: text/plain}", True),
        ("{method: [GET, HEAD]}", "{method: GET}", True),
    ],
)
def test_a_route_that_an_earlier_one_leaves_nothing_is_found(
    earlier: str, later: str, covered: bool
) -> None:
    assert found(earlier, later) == ([f"f:5:5: {OTHER_FIRST}"] if covered else [])


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (
            "{event: {a: x}, path: /a}",
            "only web requests have a path, and only other calls have an event",
        ),
        (
            "{method: GET, event: {a: x}}",
            "only web requests have a method, and only other calls have an event",
        ),
        ("{event: {a.b: x, a: x}}", "'a' cannot be a value and hold 'a.b'"),
        ("{event: {a.b.c: x, a.0: x}}", "'a.0' is in a list where 'a.b.c' is in an object"),
    ],
)
def test_a_route_that_contradicts_itself_is_found(match: str, why: str) -> None:
    assert found(match) == [f"f:4:5: routes[0]: never matches: {why}"]
    assert found("{event: {a.b: x, a.c: x, d: y}, header: {x: y}, content_type: a/b}") == []
