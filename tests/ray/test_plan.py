"""Which deployments a configuration needs, and what each asks of Ray."""

from typing import Any

import pytest

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import ConfigError
from fcplug.ray import plan
from fcplug.runtime.routing import Router


def config_of(functions: str, more: str = "") -> Config:
    text = f"version: 1\n{more}functions:\n{functions}"
    return loader.parse(text, "functions.yaml", {"SECRET": "of-the-environment"})


def options(functions: str, more: str = "") -> dict[str, Any]:
    config = config_of(functions, more)
    (deployment,) = plan.deployments(config)
    return plan.options(deployment, config.runtime)


def test_a_function_has_a_deployment_of_its_own_unless_it_names_a_pool() -> None:
    config = config_of("""\
  a: {handler: x:y}
  b: {handler: x:y, scale: {pool: small}}
  c: {handler: x:y, scale: {max: 3}}
  d: {handler: x:y, scale: {pool: small}}
""")
    found = {each.name: [spec.name for spec in each.functions] for each in plan.deployments(config)}
    assert found == {"a": ["a"], "small@pool": ["b", "d"], "c": ["c"]}


def test_a_function_without_scale_is_one_small_replica() -> None:
    asked = options("  a: {handler: x:y}\n")
    assert asked["num_replicas"] == 1
    assert asked["ray_actor_options"] == {"num_cpus": 0.1}
    assert (asked["max_ongoing_requests"], asked["max_queued_requests"]) == (32, -1)


def test_scale_asks_for_replicas_and_resources() -> None:
    asked = options(
        "  a:\n    handler: x:y\n"
        "    scale: {replicas: 3, cpus: 2, gpus: 1, memory: 5, resources: {b: 1}}\n"
    )
    assert asked["num_replicas"] == 3
    wanted = {"num_cpus": 2, "num_gpus": 1, "memory": 5, "resources": {"b": 1}}
    assert asked["ray_actor_options"] == wanted


def test_a_number_that_varies_is_left_to_ray() -> None:
    asked = options("  a: {handler: x:y, scale: {min: 0, max: 9, target: 4, up_after: 0}}\n")
    assert "num_replicas" not in asked
    automatic = asked["autoscaling_config"]
    assert (automatic["min_replicas"], automatic["max_replicas"]) == (0, 9)
    assert automatic["target_ongoing_requests"] == 4
    assert (automatic["upscale_delay_s"], automatic["downscale_delay_s"]) == (0, 600)


def test_concurrency_and_queue_count_for_each_replica() -> None:
    asked = options("  a: {handler: x:y, concurrency: 4, queue: 3}\n")
    assert (asked["max_ongoing_requests"], asked["max_queued_requests"]) == (4, 3)
    asked = options(
        "  a: {handler: x:y, concurrency: 4, queue: 3}\n  b: {handler: x:y}\n",
        "runtime: {threads: 10}\ndefaults: {scale: {pool: p}}\n",
    )
    assert (asked["max_ongoing_requests"], asked["max_queued_requests"]) == (17, -1)


def test_the_routing_is_plain_and_comes_back_whole_without_settings() -> None:
    config = config_of(
        "  a: {handler: x:y, settings: {password: '${SECRET}'}, timeout: 3}\n  b: {handler: x:y}\n",
        "routes:\n"
        "  - {match: {function: 'o*', event: {kind: [1, new]}, method: GET}, to: {a: 9, b: 1}}\n"
        "default: b\n",
    )
    routing = plan.routing(config)
    assert "of-the-environment" not in repr(routing)
    back = plan.routed(routing, config.runtime)
    assert back.routes == config.routes
    assert (list(back.functions), back.default) == (["a", "b"], "b")
    assert back.functions["a"].timeout == 3


def test_what_an_edit_of_limits_or_scale_changes_needs_no_new_replicas() -> None:
    before, after = (
        plan.deployments(config_of(f"  a: {{handler: x:y, {more}}}\n"))[0]
        for more in ("timeout: 1", "timeout: 2, scale: {replicas: 4}")
    )
    assert before.code == after.code
    assert before.limits != after.limits


def test_a_shadow_runs_beside_the_function_whose_events_it_gets() -> None:
    config = config_of("""\
  a: {handler: x:y, shadow: b}
  b: {handler: x:z, settings: {c: 1}}
""")
    a, b = plan.deployments(config)
    assert (list(a.shadows), list(b.shadows)) == (["b"], [])
    beside = plan.alone(config, a.functions[0], a.shadows)
    assert list(beside.functions) == ["a", "b"]
    assert Router(beside).resolve(Context.from_headers({"x-fc-function-name": "b"}, {})) == "a"
    changed = plan.deployments(
        config_of("""\
  a: {handler: x:y, shadow: b}
  b: {handler: x:z, settings: {c: 2}}
""")
    )[0]
    assert changed.code != a.code


@pytest.mark.parametrize(
    ("scale", "what"),
    [
        (
            "{replicas: 2, max: 3}",
            "functions.a.scale.replicas: is a fixed number",
        ),
        ("{min: 3, max: 2}", "functions.a.scale.min: is 3, above max, which is 2"),
        ("{target: 3}", "functions.a.scale.target: needs max"),
        ("{cpu: 3}", "functions.a.scale: unknown key 'cpu' (did you mean 'cpus'?)"),
        ("{pool: p, cpus: 3}", "functions.a.scale: differs from the one of 'b'"),
        ("{pool: 'a b'}", "functions.a.scale.pool: expected a name"),
    ],
)
def test_a_scale_that_contradicts_itself_is_a_mistake_of_the_file(scale: str, what: str) -> None:
    functions = (
        f"  b: {{handler: x:y, scale: {{pool: p}}}}\n  a: {{handler: x:y, scale: {scale}}}\n"
    )
    with pytest.raises(ConfigError) as raised:
        config_of(functions)
    assert what in str(raised.value)
