"""What runs on Kubernetes and Knative: valid by their schemas, and fit for what is configured."""

from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.errors import ConfigError
from fcplug.manifests import applications, knative, kubernetes
from fcplug.manifests.applications import Application
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Pods
from support import knative_schema

CONFIG = """\
version: 1
runtime: {drain_timeout: 20.5}
functions:
  hello: {handler: hello, timeout: 59.5}
  resize: # a comment
    handler: thumbnail
    concurrency: 8
    settings: {bucket: "${BUCKET}", "on": "no", text: "a\\nb"}
    triggers: {t: {timer: {cron_expression: "@every 5m"}}}
  resize-v2: {handler: thumbnail, isolation: process, workers: 4}
routes:
  - match: {function: "img-*"}
    to: {resize: 9, resize-v2: 1}
  - match: {function: "old-*"}
    to: hello
default: hello
"""
ENVIRON = {"BUCKET": "photos", "FC_REGION": "r"}
ORDER = Order("shop", "registry.example.com/shop:1.0", "", Pods(), ("kubernetes",))
VERSION = "1.31"  # of Kubernetes

Text = Callable[[Config, Application, Order], str]


def parsed(text: str) -> Config:
    return loader.parse(text, "config/functions.yaml", ENVIRON)


def objects(
    text: str = CONFIG, function: str = "", make: Text = kubernetes.text, order: Order = ORDER
) -> dict[str, Any]:
    """Return what is made, by kind; everything is checked by its schema."""
    config = parsed(text)
    if function:
        (application,) = applications.of_each(config, text, applications.by_themselves([function]))
    else:
        application = applications.of_all(config, text, "shop")
    found = list(yaml.safe_load_all(make(config, application, order)))
    for each in found:
        if each["apiVersion"] == "serving.knative.dev/v1":
            knative_schema.check(each)
            continue
        kubernetes_validate.validate(each, VERSION, strict=True)
    return {each["kind"]: each for each in found}


def pod(*arguments: Any, **named: Any) -> dict[str, Any]:
    found: dict[str, Any] = objects(*arguments, **named)["Deployment"]["spec"]["template"]
    return found


def container(*arguments: Any, **named: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(*arguments, **named)["spec"]["containers"][0]
    return found


def test_all_objects_belong_together() -> None:
    found = objects()
    assert list(found) == [
        "ConfigMap", "Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget",
    ]  # fmt: skip
    template = found["Deployment"]["spec"]["template"]
    for selector in (
        found["Service"]["spec"]["selector"],
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= template["metadata"]["labels"].items()
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "shop"
    assert "replicas" not in found["Deployment"]["spec"]
    volumes = {each["name"]: each for each in template["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    assert {each["name"] for each in template["spec"]["containers"][0]["volumeMounts"]} == set(
        volumes
    )


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_an_old_and_a_new_cluster_take_the_objects(version: str) -> None:
    for each in objects().values():
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("make", [kubernetes.text, knative.text])
def test_a_namespace_is_that_of_every_object(make: Text) -> None:
    order = ORDER._replace(namespace="prod")
    found = objects(make=make, order=order)
    assert {each["metadata"]["namespace"] for each in found.values()} == {"prod"}


@pytest.mark.parametrize("make", [kubernetes.text, knative.text])
def test_the_configuration_of_all_functions_is_unchanged(make: Text) -> None:
    assert objects(make=make)["ConfigMap"]["data"] == {"functions.yaml": CONFIG}


@pytest.mark.parametrize(
    ("function", "routes", "default"),
    [
        ("hello", [("old-*", "hello")], "hello"),
        ("resize", [("img-*", {"resize": 9})], None),
        ("resize-v2", [("img-*", {"resize-v2": 1})], None),
    ],
)
def test_the_configuration_of_one_function_has_only_what_leads_to_it(
    function: str, routes: Any, default: str | None
) -> None:
    text = objects(function=function)["ConfigMap"]["data"]["functions.yaml"]
    found, whole = parsed(text), parsed(CONFIG)
    assert found.functions == {function: whole.functions[function]}
    assert [(route.match.function, route.to) for route in found.routes] == routes
    assert found.default == default
    assert found.runtime == whole.runtime


def test_a_function_keeps_the_shadow_that_gets_its_events() -> None:
    text = CONFIG.replace("timeout: 59.5}", "timeout: 59.5, shadow: {to: resize-v2, share: 5}}")
    found = parsed(objects(text, "hello")["ConfigMap"]["data"]["functions.yaml"])
    assert list(found.functions) == ["hello", "resize-v2"]
    assert found.default == "hello"
    without = CONFIG.replace("default: hello", "default: resize")
    text = without.replace("timeout: 59.5}", "timeout: 59.5, shadow: resize-v2}")
    found = parsed(objects(text, "hello")["ConfigMap"]["data"]["functions.yaml"])
    assert (list(found.functions), found.default) == (["hello", "resize-v2"], "hello")


@pytest.mark.parametrize(
    ("runtime", "seconds"),
    [
        ("{drain_timeout: 20.5}", 36),
        ("{}", 45),
        ("{processes: 2}", 50),
        ("{drain_timeout: 600}", 615),
    ],
)
def test_a_pod_has_the_time_that_its_drain_takes(runtime: str, seconds: int) -> None:
    text = CONFIG.replace("{drain_timeout: 20.5}", runtime)
    assert pod(text)["spec"]["terminationGracePeriodSeconds"] == seconds
    template = objects(text, make=knative.text)["Service"]["spec"]["template"]
    assert template["spec"]["timeoutSeconds"] >= seconds - 5


def test_probes_ask_the_health_path_or_the_port() -> None:
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    found = container(CONFIG.replace("drain_timeout: 20.5", "health_path: /alive"))
    assert {found[kind]["httpGet"]["path"] for kind in kinds} == {"/alive"}
    none = CONFIG.replace("drain_timeout: 20.5", "health_path: null")
    found = container(none)
    assert [found[kind]["tcpSocket"] for kind in kinds] == [{"port": "http"}] * 3
    service = objects(none, make=knative.text)["Service"]["spec"]["template"]["spec"]
    assert service["containers"][0]["livenessProbe"]["tcpSocket"] == {}


@pytest.mark.parametrize("make", [kubernetes.text, knative.text])
def test_the_container_has_no_rights_that_it_does_not_need(make: Text) -> None:
    found = objects(make=make)
    spec = found["Deployment" if "Deployment" in found else "Service"]["spec"]["template"]["spec"]
    rights = spec["containers"][0]["securityContext"]
    assert rights["runAsNonRoot"]
    assert rights["runAsUser"] >= 10000
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["enableServiceLinks"] is False
    (written,) = [each for each in spec["volumes"] if "emptyDir" in each]
    (mount,) = [
        each for each in spec["containers"][0]["volumeMounts"] if each["name"] == written["name"]
    ]
    assert mount["mountPath"] == "/tmp"
    assert all("subPath" not in each for each in spec["containers"][0]["volumeMounts"])


def test_variables_come_from_a_secret_and_their_values_are_never_written() -> None:
    text = CONFIG.replace("name: x", "").replace("handler: hello,", 'handler: "${FC_REGION}",')
    env = {each["name"]: each for each in container(text)["env"]}
    assert list(env) == ["FCPLUG_CONFIG", "BUCKET", "FC_REGION"]
    assert env["BUCKET"]["valueFrom"]["secretKeyRef"] == {"name": "shop-env", "key": "BUCKET"}
    application = applications.of_all(parsed(text), text, "shop")
    made = kubernetes.text(parsed(text), application, ORDER)
    assert "photos" not in made
    assert "kubectl create secret generic shop-env --from-literal=BUCKET=..." in made
    assert [each["name"] for each in container(text, "resize-v2")["env"]] == ["FCPLUG_CONFIG"]


def test_only_edits_that_a_running_pod_cannot_take_over_start_new_ones() -> None:
    def checksums(text: str) -> dict[str, str]:
        found: dict[str, str] = pod(text)["metadata"]["annotations"]
        return found

    assert checksums(CONFIG) == checksums(CONFIG.replace("59.5", "30"))
    assert checksums(CONFIG) != checksums(CONFIG.replace("20.5", "21"))
    fixed = CONFIG.replace("drain_timeout: 20.5", "reload: off").replace("off", '"off"')
    assert checksums(fixed) != checksums(fixed.replace("59.5", "30"))


@pytest.mark.parametrize(
    ("runtime", "function", "memory", "cpu"),
    [
        ("{}", "hello", "512Mi", "500m"),
        ("{processes: 3}", "hello", "512Mi", "1500m"),
        ("{}", "resize-v2", "768Mi", "500m"),
        ("{memory_watermark: 1073741824}", "hello", "2176Mi", "500m"),
    ],
)
def test_resources_follow_processes_workers_and_the_watermark(
    runtime: str, function: str, memory: str, cpu: str
) -> None:
    text = CONFIG.replace("{drain_timeout: 20.5}", runtime)
    found = container(text, function)["resources"]
    assert found == {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def test_an_open_service_is_pointed_out() -> None:
    application = applications.of_all(parsed(CONFIG), CONFIG, "shop")
    assert "Everyone who reaches it" in kubernetes.text(parsed(CONFIG), application, ORDER)
    closed = CONFIG.replace("drain_timeout: 20.5", "auth: {tokens: [0123456789abcdef]}")
    closed = closed.replace("[0123456789abcdef]", '["0123456789abcdef"]')
    assert "Everyone who reaches it" not in kubernetes.text(parsed(closed), application, ORDER)


def test_secrets_that_a_config_map_would_show_are_pointed_out() -> None:
    def made(token: str) -> str:
        text = CONFIG.replace("drain_timeout: 20.5", f'auth: {{tokens: ["{token}"]}}')
        config = loader.parse(text, "f.yaml", {**ENVIRON, "TOKEN": "0123456789abcdef"})
        return kubernetes.text(config, applications.of_all(config, text, "shop"), ORDER)

    assert "readable for all who may read ConfigMaps" in made("0123456789abcdef")
    assert "readable for all" not in made("${TOKEN}")


@pytest.mark.parametrize(
    ("function", "calls", "seconds"),
    [("", 32, 300), ("hello", 32, 61), ("resize", 8, 300), ("resize-v2", 4, 300)],
)
def test_knative_sends_as_many_calls_as_a_pod_answers(
    function: str, calls: int, seconds: int
) -> None:
    template = objects(function=function, make=knative.text)["Service"]["spec"]["template"]
    assert template["spec"]["containerConcurrency"] == calls
    assert template["spec"]["timeoutSeconds"] == seconds
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "10"


def names(*functions: str) -> list[str]:
    entries = "".join(f"  '{name}': {{handler: h}}\n" for name in functions)
    text = f"version: 1\nfunctions:\n{entries}"
    return [
        each.name
        for each in applications.of_each(parsed(text), text, applications.by_themselves(functions))
    ]


def test_names_become_those_of_kubernetes() -> None:
    assert names("hello", "Hello_World", "a.b-c", "_private_", "a" * 63) == [
        "hello", "hello-world", "a-b-c", "private", "a" * 63,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        (["1a"], ":3:3: functions.1a: '1a' would have the name '1a' on Kubernetes: a name there"),
        (["a" * 64], "': a name there has at most 63"),
        (["___"], ":3:3: functions.___: '___' would have the name '' on Kubernetes"),
        (["A", "a"], ":4:3: functions.a: 'a' and 'A' would both have the name 'a' on Kubernetes"),
        (["a_b", "c", "a.b"], ":5:3: functions.a.b: 'a.b' and 'a_b' would both have the name"),
    ],
)
def test_a_name_that_kubernetes_does_not_take_is_an_error(
    functions: list[str], expected: str
) -> None:
    with pytest.raises(ConfigError) as error:
        names(*functions)
    first, fix = str(error.value).splitlines()
    assert expected in first or expected.replace("': a", "' on Kubernetes: a") in first
    assert fix.startswith("  fix: rename the functions in config/functions.yaml")


def test_a_configuration_too_large_for_a_config_map_is_an_error() -> None:
    text = f"{CONFIG}# {'x' * 1_000_000}\n"
    with pytest.raises(ConfigError, match=r"a ConfigMap takes 1000000"):
        applications.of_all(parsed(CONFIG), text, "shop")
