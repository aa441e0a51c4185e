"""s.yaml from a configuration: valid by fc3's rules, and what it says of each function."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fcplug.config import loader
from fcplug.errors import ConfigError
from fcplug.inspection import deployment, platform_rules
from fcplug.manifests import overlay, s_yaml, seal, variables
from fcplug.manifests.image import IMAGES
from fcplug.manifests.s_yaml import Order
from fcplug.manifests.serverless import Package
from fcplug.manifests.triggers import Triggers
from support import fc3_schema

FULL = """\
version: 1
runtime: {threads: 64, health_path: /alive}
functions:
  hello: {handler: hello, timeout: 59.5}
  resize:
    handler: thumbnail
    concurrency: 8
    settings: {bucket: "${BUCKET}", region: "${FC_REGION}", size: "${SIZE:-9}"}
    triggers:
      nightly:
        timer: {cron_expression: "CRON_TZ=Asia/Shanghai 0 30 4 * * *", payload: all, enable: false}
      uploads:
        oss:
          bucket: ${BUCKET}-${STAGE:-test}
          events: ["oss:ObjectCreated:*", "oss:ObjectRemoved:*"]
          suffix: .jpg
          invocation_role: acs:ram::123:role/oss
  shop: {wsgi: "shop:app", isolation: process, workers: 4}
  live: {asgi: "live:app"}
"""
HOOKS = {"hello": ["initialize"], "resize": ["initialize", "pre_stop"]}


def made(
    text: str,
    over: str = "",
    image: str = "custom.debian12",
    hooks: Mapping[str, Sequence[str]] = HOOKS,
) -> str:
    environ = {"BUCKET": "photos", "FC_REGION": "r"}
    config = loader.parse(text, "config/functions.yaml", environ)
    package = Package(
        "shop", "./code.zip", "cn-hangzhou", IMAGES[image], variables.required(text),
        Triggers(config, text),
    )  # fmt: skip
    document = overlay.parse(over, "s.overlay.yaml") if over else None
    return s_yaml.text(config, hooks, Order((), package, ["s.yaml"]), document)


def document(text: str, over: str = "", image: str = "custom.debian12") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(made(text, over, image))
    fc3_schema.check(found)
    return found


def props(text: str, name: str, over: str = "") -> dict[str, Any]:
    found: dict[str, Any] = document(text, over)["resources"][name]["props"]
    return found


def mistakes(text: str, over: str = "") -> list[str]:
    with pytest.raises(ConfigError) as error:
        made(text, over)
    return str(error.value).splitlines()


@pytest.mark.parametrize("image", IMAGES)
def test_the_file_is_valid_by_the_rules_of_fc3(image: str) -> None:
    found = document(FULL, image=image)
    assert list(found["resources"]) == ["hello", "resize", "shop", "live"]
    for resource in found["resources"].values():
        assert resource["component"] == "fc3"
        assert resource["props"]["runtime"] == image
        path = resource["props"]["environmentVariables"]["PATH"].split(":")
        python = resource["props"]["environmentVariables"]["FCPLUG_PYTHON"]
        assert python.removesuffix("/python3") in path
        assert len(path) == len(set(path))


def test_a_limit_of_time_leaves_the_runtime_a_second_to_answer() -> None:
    assert props(FULL, "hello")["timeout"] == 61
    assert props(FULL, "resize")["timeout"] == 60
    longest = "version: 1\nfunctions: {f: {handler: h, timeout: 86400}}\n"
    assert props(longest, "f")["timeout"] == 86400
    assert "timeout: 86400 # functions.yaml: 86400; FC may end a call first" in made(longest)


@pytest.mark.parametrize(
    ("function", "runtime", "calls"),
    [
        ("{handler: h}", "{}", 32),
        ("{handler: h, concurrency: 8}", "{}", 8),
        ("{handler: h, concurrency: 8}", "{processes: 3}", 24),
        ("{handler: h, isolation: process, workers: 4}", "{}", 4),
        ("{handler: h, isolation: process}", "{}", 1),
        ("{handler: h, concurrency: 900}", "{threads: 900}", 200),
        ("{handler: h, concurrency: 90}", "{threads: 9}", 9),
    ],
)
def test_an_instance_gets_as_many_calls_as_it_answers_at_once(
    function: str, runtime: str, calls: int
) -> None:
    text = f"version: 1\nruntime: {runtime}\nfunctions: {{f: {function}}}\n"
    assert props(text, "f")["instanceConcurrency"] == calls


def test_hooks_are_switched_on_where_a_plugin_has_them() -> None:
    assert list(props(FULL, "hello")["instanceLifecycleConfig"]) == ["initializer"]
    assert list(props(FULL, "resize")["instanceLifecycleConfig"]) == ["initializer", "preStop"]
    assert list(props(FULL, "live")["instanceLifecycleConfig"]) == ["initializer", "preStop"]
    assert "instanceLifecycleConfig" not in props(FULL, "shop")


ROUTED = """\
version: 1
functions:
  shop: {handler: h, timeout: 5, concurrency: 2}
  shop-v2: {handler: h, timeout: 50, concurrency: 4}
  big: {handler: h, timeout: 200, isolation: process, workers: 8}
  moved: {handler: h, timeout: 900}
  page: {wsgi: "p:app", timeout: 9}
routes:
  - match: {function: shop, qualifier: canary}
    to: {shop-v2: 1, moved: 0}
  - match: {function: shop, event: {kind: big}}
    to: big
  - match: {function: "mov*"}
    to: page
  - match: {function: shop, handler: other}
    to: moved
"""


def test_a_function_has_what_all_functions_need_that_routes_lead_it_to(tmp_path: Path) -> None:
    hooks = {"shop-v2": ["initialize"], "big": ["pre_stop"], "moved": ["initialize"]}
    text = made(ROUTED, hooks=hooks)
    found = yaml.safe_load(text)["resources"]
    shop = found["shop"]["props"]
    assert shop["timeout"] == 201
    assert shop["instanceConcurrency"] == 8
    assert shop["memorySize"] == 1024
    assert list(shop["instanceLifecycleConfig"]) == ["initializer", "preStop"]
    moved = found["moved"]["props"]
    assert moved["timeout"] == 10
    assert "instanceLifecycleConfig" not in moved
    assert moved["triggers"][0]["triggerType"] == "http"
    assert "healthCheckConfig" in moved["customRuntimeConfig"]
    config = loader.parse(ROUTED, "f.yaml", {})
    deployed = deployment.parse(text, "s.yaml")
    assert list(platform_rules.findings(config, deployed, hooks)) == []


def test_a_shadow_that_is_waited_for_has_its_time() -> None:
    text = "version: 1\nfunctions:\n  a: {handler: h, timeout: 5, shadow: {to: b, wait: 2.5}}\n"
    text += "  b: {handler: h, timeout: 1}\n"
    assert props(text, "a")["timeout"] == 9
    assert props(text, "b")["timeout"] == 2


def test_web_functions_have_a_health_check_and_a_trigger_for_signed_requests() -> None:
    shop = props(FULL, "shop")
    assert shop["customRuntimeConfig"]["healthCheckConfig"]["httpGetUrl"] == "/alive"
    (http,) = shop["triggers"]
    assert (http["triggerType"], http["triggerConfig"]["authType"]) == ("http", "function")
    assert "healthCheckConfig" not in props(FULL, "hello")["customRuntimeConfig"]
    without = FULL.replace("/alive", "null")
    assert "healthCheckConfig" not in props(without, "shop")["customRuntimeConfig"]


def test_triggers_are_those_of_the_configuration() -> None:
    nightly, uploads = props(FULL, "resize")["triggers"]
    assert nightly == {
        "triggerName": "nightly",
        "triggerType": "timer",
        "triggerConfig": {
            "cronExpression": "CRON_TZ=Asia/Shanghai 0 30 4 * * *",
            "enable": False,
            "payload": "all",
        },
    }
    assert uploads["invocationRole"] == "acs:ram::123:role/oss"
    assert uploads["triggerConfig"] == {
        "events": ["oss:ObjectCreated:*", "oss:ObjectRemoved:*"],
        "filter": {"key": {"prefix": "", "suffix": ".jpg"}},
    }


def test_values_from_the_environment_are_filled_in_by_serverless_devs() -> None:
    arn = props(FULL, "resize")["triggers"][1]["sourceArn"]
    assert arn.endswith(":${config('AccountID')}:${env('BUCKET')}-${env('STAGE', 'test')}")
    for name in ("hello", "resize"):
        variables = props(FULL, name)["environmentVariables"]
        assert set(variables) == {"PATH", "FCPLUG_PYTHON", "BUCKET"}
        assert variables["BUCKET"] == "${env('BUCKET')}"
    assert "photos" not in made(FULL)


def test_what_serverless_devs_would_fill_in_itself_is_an_error() -> None:
    timer = "{timer: {cron_expression: '@every 5m', payload: 'costs $${x}'}}"
    text = f"version: 1\nfunctions: {{f: {{handler: h, triggers: {{t: {timer}}}}}}}\n"
    (only,) = mistakes(text)
    assert only.startswith("config/functions.yaml:2:")
    assert "functions.f.triggers.t.timer.payload: Serverless Devs would fill in" in only


@pytest.mark.parametrize("name", ["a.b", "1a", "a" * 65])
def test_a_name_that_function_compute_does_not_take_is_an_error(name: str) -> None:
    first, fix = mistakes(f"version: 1\nfunctions:\n  '{name}': {{handler: h}}\n")
    assert first.startswith(f"config/functions.yaml:3:3: functions.{name}: '{name}' cannot be")
    assert "--function" in fix


def test_memory_follows_the_watermark_and_vcpu_follows_memory() -> None:
    runtime = "{processes: 2, memory_watermark: 1073741824}"
    found = props(f"version: 1\nruntime: {runtime}\nfunctions: {{f: {{handler: h}}}}\n", "f")
    assert (found["memorySize"], found["cpu"]) == (3200, 2.1)
    assert (props(FULL, "hello")["memorySize"], props(FULL, "hello")["cpu"]) == (512, 0.35)


def test_the_check_of_a_made_file_finds_nothing(tmp_path: Path) -> None:
    config = loader.parse(FULL, "f.yaml", {"BUCKET": "photos", "FC_REGION": "r"})
    file = tmp_path / "s.yaml"
    file.write_text(made(FULL))
    deployed, problems = deployment.read(str(file))
    assert (len(deployed), problems) == (4, [])
    assert list(platform_rules.findings(config, deployed, HOOKS)) == []


def test_the_first_lines_name_the_command_and_a_checksum() -> None:
    text = made(FULL)
    sealed = seal.read(text)
    assert sealed is not None
    assert (sealed.arguments, sealed.intact) == (["s.yaml"], True)
    assert text == made(FULL)


TEXTS = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\ufeff\u2028\u2029"
    )
)


@settings(max_examples=40, deadline=None)
@given(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True),
    TEXTS.filter(lambda text: "$" not in text),
    TEXTS.filter(lambda text: "$" not in text and not text.startswith("/")),
)
def test_odd_names_and_values_arrive_as_they_are(name: str, payload: str, prefix: str) -> None:
    triggers = {
        "t": {"timer": {"cron_expression": "@every 5m", "payload": payload}},
        "o": {"oss": {"bucket": "photos", "events": ["oss:ObjectCreated:*"], "prefix": prefix}},
    }
    text = json.dumps(
        {"version": 1, "functions": {name: {"handler": "h", "triggers": triggers}}},
        ensure_ascii=False,
    )
    timer, oss = props(text, name)["triggers"]
    assert timer["triggerConfig"].get("payload", "") == payload
    assert oss["triggerConfig"]["filter"]["key"]["prefix"] == prefix
