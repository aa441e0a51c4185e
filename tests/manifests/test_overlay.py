"""s.overlay.yaml: how it is merged, and what is said of its mistakes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fcplug.config import loader
from fcplug.errors import ConfigError
from fcplug.manifests import overlay, s_yaml
from fcplug.manifests.image import IMAGES
from fcplug.manifests.s_yaml import Order
from fcplug.manifests.serverless import Package
from fcplug.manifests.triggers import Triggers

CONFIG = """\
version: 1
functions:
  a: {handler: h, timeout: 9}
  b:
    wsgi: "w:app"
    handler: h
    triggers: {t: {timer: {cron_expression: "@every 5m"}}}
"""


def text_with(over: str) -> str:
    config = loader.parse(CONFIG, "f.yaml", {})
    package = Package(
        "shop", "c.zip", "cn-hangzhou", IMAGES["custom.debian12"], (), Triggers(config, CONFIG)
    )
    order = Order((), package, ["s.yaml"])
    return s_yaml.text(config, {}, order, overlay.parse(over, "s.overlay.yaml"))


def merged(over: str) -> Any:
    return yaml.safe_load(text_with(over))


def mistakes(over: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        text_with(over)
    return [line.removeprefix("s.overlay.yaml:") for line in str(error.value).splitlines()]


def test_mappings_are_merged_and_other_values_replaced() -> None:
    found = merged(
        "access: mine\n"
        "vars: {region: cn-shanghai, stage: prod}\n"
        "resources:\n"
        "  a: {props: {timeout: 30, environmentVariables: {LEVEL: debug}, layers: [x]}}\n"
    )
    assert found["access"] == "mine"
    assert found["vars"] == {"region": "cn-shanghai", "code": "c.zip", "stage": "prod"}
    props = found["resources"]["a"]["props"]
    assert (props["timeout"], props["layers"], props["memorySize"]) == (30, ["x"], 512)
    assert {"PATH", "LEVEL"} <= set(props["environmentVariables"])


def test_null_removes_a_key_or_a_function() -> None:
    found = merged("access: null\nresources: {a: null, b: {props: {diskSize: null}}}\n")
    assert "access" not in found
    assert list(found["resources"]) == ["b"]
    assert "diskSize" not in found["resources"]["b"]["props"]


def test_a_star_stands_for_every_function_and_a_name_goes_before_it() -> None:
    found = merged(
        "resources:\n"
        "  '*': {props: {memorySize: 1024, logConfig: auto}}\n"
        "  b: {props: {memorySize: 2048}}\n"
    )["resources"]
    assert list(found) == ["a", "b"]
    assert [each["props"]["memorySize"] for each in found.values()] == [1024, 2048]
    assert [each["props"]["cpu"] for each in found.values()] == [0.7, 1.35]
    assert {each["props"]["logConfig"] for each in found.values()} == {"auto"}


def test_triggers_are_merged_by_their_names() -> None:
    found = merged(
        "resources:\n"
        "  b:\n"
        "    props:\n"
        "      triggers:\n"
        "        - {triggerName: http, triggerConfig: {authType: anonymous, methods: [GET]}}\n"
        "        - {triggerName: log, triggerType: log, triggerConfig: {}}\n"
    )["resources"]["b"]["props"]["triggers"]
    assert [each["triggerName"] for each in found] == ["http", "t", "log"]
    assert found[0]["triggerType"] == "http"
    assert found[0]["triggerConfig"] == {"authType": "anonymous", "methods": ["GET"]}


def test_another_resource_is_added_as_it_is() -> None:
    found = merged("resources: {domain: {component: fc3-domain, props: {domainName: auto}}}\n")
    assert found["resources"]["domain"] == {
        "component": "fc3-domain",
        "props": {"domainName": "auto"},
    }


def test_what_the_overlay_sets_is_marked_in_place_of_the_usual_comment() -> None:
    line = next(
        each
        for each in text_with("resources: {a: {props: {timeout: 30}}}\n").splitlines()
        if "timeout: 30" in each
    )
    assert line.strip() == "timeout: 30 # from s.overlay.yaml"


def test_a_comment_about_signed_requests_goes_when_the_overlay_opens_the_trigger() -> None:
    over = "resources: {b: {props: {triggers: [{triggerName: %s, triggerConfig: %s}]}}}\n"
    assert "# Callers sign their requests" in text_with(over % ("http", "{authType: function}"))
    assert "# Callers sign their requests" in text_with(over % ("t", "{enable: false}"))
    opened = text_with(over % ("http", "{authType: anonymous}"))
    assert "# Callers sign their requests" not in opened
    assert "triggers: # from s.overlay.yaml" in opened


def test_an_empty_overlay_changes_nothing() -> None:
    assert text_with("# later\n") == text_with("{}\n")


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("- a\n", "1:1: the file must be a mapping, as s.yaml is"),
        ("resources: [a]\n", "1:1: resources: must be a mapping of functions"),
        ("resources: {a: 3}\n", "1:13: resources.a: must be a mapping, or null for none"),
        ("a: [b\n", "2:1: the '[' of line 1 is not closed: add a ']'"),
        ("a: no\n", "1:4: a: no is a truth value to some YAML readers"),
        ("edition: 1.0.0\n", "1:1: edition: must be 3.0.0"),
        (
            "resources: {a: {props: {memorySize: 100}}}\n",
            "1:25: resources.a.props.memorySize: 100 is not a whole number from 128 to 32768",
        ),
        (
            "resources: {a: {props: {memorySize: 1024, cpu: 0.1}}}\n",
            "1:25: resources.a.props.memorySize: 1024 MB do not fit 0.1 vCPU",
        ),
        (
            "resources: {a: {props: {environmentVariables: {FC_A: x}}}}\n",
            "1:48: resources.a.props.environmentVariables.FC_A: Function Compute keeps this",
        ),
        (
            "resources: {a: {props: {environmentVariables: {A: 1}}}}\n",
            "1:48: resources.a.props.environmentVariables.A: must be a text",
        ),
        (
            "resources: {c: {component: fc3, props: {region: a, functionName: a}}}\n",
            "1:33: resources.c.props: has no runtime",
        ),
        (
            "resources: {a: {props: {layers: [a, b, c, d, e, f]}}}\n",
            "1:25: resources.a.props.layers: 6 layers, and Function Compute takes 5",
        ),
        (
            "resources: {a: {props: {customRuntimeConfig: {command: x}}}}\n",
            "1:47: resources.a.props.customRuntimeConfig.command: must be a list of texts",
        ),
        (
            "resources: {a: {props: {triggers: x}}}\n",
            "1:25: resources.a.props.triggers: must be a list of mappings",
        ),
        (
            "resources: {a: {props: {triggers: [{triggerName: t, triggerType: tmer}]}}}\n",
            "1:25: resources.a.props.triggers: a trigger has no triggerConfig",
        ),
        (
            "resources: {a: {props: {triggers: [{triggerName: t, triggerType: tmer, "
            "triggerConfig: {}}]}}}\n",
            "1:25: resources.a.props.triggers: 'tmer' is not a type of trigger (did you mean",
        ),
        ("resources: {c: {}}\n", "1:13: resources.c: has no component"),
        (
            "resources: {'*': {props: {timeout: 0}}}\n",
            "1:27: resources.*.props.timeout: 0 is not a whole number",
        ),
        (
            "resources: {b: {props: {functionName: a}}}\n",
            "1:25: resources.b.props.functionName: 'a' is the function of 'a', too",
        ),
    ],
)
def test_a_mistake_is_shown_with_its_place(over: str, expected: str) -> None:
    assert mistakes(over)[0].startswith(expected)


def test_a_value_that_only_serverless_devs_knows_is_no_mistake() -> None:
    found = merged("resources: {a: {props: {timeout: '${vars.timeout}'}}}\n")
    assert found["resources"]["a"]["props"]["timeout"] == "${vars.timeout}"


def test_every_rule_of_numbers_has_its_border() -> None:
    for key, least, most in [
        ("timeout", 1, 86400),
        ("instanceConcurrency", 1, 200),
        ("memorySize", 128, 32768),
    ]:
        for value in (least, most):
            assert merged(f"resources: {{a: {{props: {{{key}: {value}}}}}}}\n")
        for value in (least - 1, most + 1):
            assert mistakes(f"resources: {{a: {{props: {{{key}: {value}}}}}}}\n")


def test_the_file_of_an_overlay_is_named_by_its_path(tmp_path: Path) -> None:
    file = str(tmp_path / overlay.NAME)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        overlay.parse("- a", file)
