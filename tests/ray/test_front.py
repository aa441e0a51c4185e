"""What the entry decides by itself, without a cluster."""

import json
from typing import Any

import pytest

from fcplug.config import loader
from fcplug.protocol import Phase
from fcplug.ray import plan
from fcplug.ray.environ import environ_of
from fcplug.ray.front import Front, Routed
from fcplug.ray.messages import Answer

FUNCTIONS = """\
functions:
  a: {handler: x:y, timeout: 5}
  b: {handler: x:y}
routes:
  - {match: {function: new, event: {kind: order}}, to: b}
  - {match: {function: new}, to: a}
"""
TRUSTING = "runtime: {trust_callers: true}\n"


def decide(
    path: str = "/invoke", body: bytes = b"", method: str = "POST", *, more: str = "", **fields: str
) -> Answer | Routed:
    config = loader.parse(f"version: 1\n{more}{FUNCTIONS}", "functions.yaml", {})
    front = Front(config.runtime, {})
    front.apply(plan.routing(config))
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    scope = {"method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    return front.decide(environ_of(scope, body), body)


def routed(*arguments: Any, **fields: Any) -> Routed:
    decided = decide(*arguments, **fields)
    assert isinstance(decided, Routed)
    return decided


def answered(*arguments: Any, **fields: Any) -> tuple[str, str]:
    decided = decide(*arguments, **fields)
    assert isinstance(decided, Answer)
    return decided.status, json.loads(decided.body)["errorType"]


def test_an_event_goes_to_the_function_that_the_routes_choose() -> None:
    assert routed(x_fc_function_name="b").calls[0].function == "b"
    assert routed(body=b"{}", x_fc_function_name="new").calls[0].function == "a"
    order = b'{"kind": "order"}'
    found = routed(body=order, x_fc_function_name="new", content_type="application/json")
    assert (found.phase, found.calls[0].function, found.calls[0].body) == (Phase.INVOKE, "b", order)


def test_the_replica_gets_the_request_id_that_the_entry_has_chosen() -> None:
    found = routed(x_fc_function_name="a")
    assert found.calls[0].environ["HTTP_X_FC_REQUEST_ID"] == found.context.request_id


def test_a_health_check_is_answered_by_the_entry() -> None:
    found = decide("/health", method="GET")
    assert isinstance(found, Answer)
    assert (found.status, found.body) == ("200 OK", b"ok\n")


def test_an_unknown_function_is_answered_by_the_entry() -> None:
    assert answered(x_fc_function_name="c") == ("404 Not Found", "UnknownFunction")


@pytest.mark.parametrize("path", ["/initialize", "/any"])
def test_a_lifecycle_call_needs_a_trusted_caller(path: str) -> None:
    control = {"x_fc_control_path": "/initialize"}
    assert answered(path, **control) == ("403 Forbidden", "Forbidden")
    assert len(routed(path, more=TRUSTING, **control).calls) == 2


def test_a_lifecycle_call_that_names_a_function_is_for_it_alone() -> None:
    calls = routed("/initialize", more=TRUSTING, x_fc_function_name="b").calls
    assert [call.function for call in calls] == ["b"]


def test_callers_are_asked_for_their_credentials_before_anything_is_told() -> None:
    more = "runtime: {auth: {tokens: [a-token-of-sixteen-characters]}}\n"
    assert answered(more=more, x_fc_function_name="c") == ("401 Unauthorized", "Unauthorized")
    fields = {"authorization": "Bearer a-token-of-sixteen-characters", "x_fc_function_name": "a"}
    assert routed(more=more, **fields).calls[0].function == "a"


def test_a_header_of_fc_that_came_twice_is_refused() -> None:
    assert answered(x_fc_function_name="a,b") == ("400 Bad Request", "BadRequest")


def test_the_sooner_of_two_limits_counts() -> None:
    config = loader.parse(f"version: 1\n{FUNCTIONS}", "functions.yaml", {})
    front = Front(config.runtime, {})
    front.apply(plan.routing(config))
    call = routed(x_fc_function_name="a", x_fc_function_timeout="3").calls[0]
    assert front.limit_of(call) == 3
    assert front.limit_of(routed(x_fc_function_name="a").calls[0]) == 5
    assert front.limit_of(routed(x_fc_function_name="b").calls[0]) is None
