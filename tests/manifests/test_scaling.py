"""The key ``scale`` of functions, as Kubernetes and Knative have it."""

from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fcplug.config import loader
from fcplug.manifests import applications, knative, kubernetes
from fcplug.manifests.applications import Group
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Pods
from support import knative_schema

NOTHING_ASKED = Pods()
KNATIVE = "autoscaling.knative.dev/"


def text(
    kind: ModuleType,
    *scales: str,
    pods: Pods = NOTHING_ASKED,
    runtime: str = "{}",
) -> str:
    """Return the file for functions with these values of ``scale``: f0, f1 and so on."""
    entries = "".join(f"  f{i}: {{handler: h, scale: {each}}}\n" for i, each in enumerate(scales))
    written = f"version: 1\nruntime: {runtime}\nfunctions:\n{entries}"
    config = loader.parse(written, "functions.yaml", {})
    application = applications.of_all(config, written, "shop")
    made: str = kind.text(config, application, Order("shop", "shop:1", "", pods, ()))
    return made


def objects(kind: ModuleType, *scales: str, **more: Any) -> dict[str, Any]:
    """Return what is made, by its kind; everything is checked by its schema."""
    found = list(yaml.safe_load_all(text(kind, *scales, **more)))
    for each in found:
        if each["apiVersion"] == "serving.knative.dev/v1":
            knative_schema.check(each)
        else:
            for version in ("1.25", "1.31"):
                kubernetes_validate.validate(each, version, strict=True)
    return {each["kind"]: each for each in found}


def autoscaler(*scales: str, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = objects(kubernetes, *scales, **more)["HorizontalPodAutoscaler"]["spec"]
    return spec


def pods(*scales: str, **more: Any) -> tuple[int, int]:
    spec = autoscaler(*scales, **more)
    return spec["minReplicas"], spec["maxReplicas"]


def annotations(*scales: str, **more: Any) -> dict[str, str]:
    template = objects(knative, *scales, **more)["Service"]["spec"]["template"]
    return {
        key.removeprefix(KNATIVE): value
        for key, value in template["metadata"]["annotations"].items()
        if key.startswith(KNATIVE)
    }


def resources(*scales: str, **more: Any) -> dict[str, Any]:
    template = objects(kubernetes, *scales, **more)["Deployment"]["spec"]["template"]
    service = objects(knative, *scales, **more)["Service"]["spec"]["template"]
    found: dict[str, Any] = template["spec"]["containers"][0]["resources"]
    assert service["spec"]["containers"][0]["resources"] == found
    return found


def test_scale_says_how_many_pods_there_are() -> None:
    assert pods("{min: 3, max: 7}") == (3, 7)
    assert pods("{max: 7}") == (1, 7)
    assert annotations("{min: 0, max: 7}") == {"min-scale": "0", "max-scale": "7"}
    assert annotations("{max: 7}") == {"min-scale": "1", "max-scale": "7"}


def test_where_scale_does_not_say_how_many_the_usual_numbers_stay() -> None:
    assert pods("null") == pods("{cpus: 1}") == (2, 10)
    assert annotations("{cpus: 1}") == {"min-scale": "0", "max-scale": "10"}


def test_a_fixed_number_needs_no_autoscaler() -> None:
    found = objects(kubernetes, "{replicas: 3}")
    assert found["Deployment"]["spec"]["replicas"] == 3
    assert list(found) == ["ConfigMap", "Service", "Deployment", "PodDisruptionBudget"]
    assert "HorizontalPodAutoscaler" not in text(kubernetes, "{replicas: 3}")
    assert annotations("{replicas: 3}") == {"min-scale": "3", "max-scale": "3"}


def test_an_autoscaler_of_kubernetes_keeps_one_pod() -> None:
    assert pods("{min: 0, max: 7}") == (1, 7)
    assert "scale.min of functions.yaml is 0" in text(kubernetes, "{min: 0, max: 7}")


def test_the_options_of_the_command_come_before_scale() -> None:
    assert pods("{min: 3, max: 7}", pods=Pods(4, None)) == (4, 7)
    assert pods("{min: 3, max: 7}", pods=Pods(None, 5)) == (3, 5)
    assert pods("{replicas: 3}", pods=Pods(None, 5)) == (3, 5)
    assert pods("null", pods=Pods(None, 1)) == (1, 1)
    assert pods("null", pods=Pods(20, None)) == (20, 20)


def test_knative_scales_by_calls_at_once_and_kubernetes_says_that_it_cannot() -> None:
    found = annotations("{max: 7, target: 2.5, up_after: 3, down_after: 90.4}")
    assert found == {
        "min-scale": "1",
        "max-scale": "7",
        "target": "2.5",
        "target-utilization-percentage": "100",
        "scale-down-delay": "90s",
    }
    assert annotations("{max: 7, target: 0.001}")["target"] == "0.01"
    assert annotations("{max: 7, down_after: 86400}")["scale-down-delay"] == "3600s"
    made = text(kubernetes, "{max: 7, target: 2.5}")
    assert "scale.target of functions.yaml is 2.5 calls at once" in made


def test_kubernetes_waits_as_long_as_scale_says() -> None:
    assert "behavior" not in autoscaler("{max: 7}")
    assert autoscaler("{max: 7, up_after: 30, down_after: 86400}")["behavior"] == {
        "scaleUp": {"stabilizationWindowSeconds": 30},
        "scaleDown": {"stabilizationWindowSeconds": 3600},
    }


@pytest.mark.parametrize(
    ("scale", "requests", "limits"),
    [
        ("{cpus: 2}", {"cpu": "2000m", "memory": "512Mi"}, {"memory": "512Mi"}),
        ("{cpus: 0.0001}", {"cpu": "1m", "memory": "512Mi"}, {"memory": "512Mi"}),
        ("{cpus: 0}", {"memory": "512Mi"}, {"memory": "512Mi"}),
        ("{memory: 1000000000}", {"cpu": "500m", "memory": "954Mi"}, {"memory": "954Mi"}),
        ("{memory: 1}", {"cpu": "500m", "memory": "1Mi"}, {"memory": "512Mi"}),
        (
            "{gpus: 0.5, resources: {example.com/disk: 2}}",
            {"cpu": "500m", "memory": "512Mi", "nvidia.com/gpu": "1", "example.com/disk": "2"},
            {"memory": "512Mi", "nvidia.com/gpu": "1", "example.com/disk": "2"},
        ),
        ("{resources: {disk: 2}}", {"cpu": "500m", "memory": "512Mi"}, {"memory": "512Mi"}),
    ],
)
def test_a_pod_reserves_what_scale_says(
    scale: str, requests: dict[str, str], limits: dict[str, str]
) -> None:
    assert resources(scale) == {"requests": requests, "limits": limits}


def test_what_a_cluster_cannot_reserve_as_it_is_written_is_pointed_out() -> None:
    for kind in (kubernetes, knative):
        made = text(kind, "{gpus: 0.5, resources: {disk: 2, kubernetes.io/x: 1}}")
        assert "# Not here: disk, kubernetes.io/x of scale.resources." in made
        assert 'nvidia.com/gpu: "1" # functions.yaml: 0.5; a pod has whole ones' in made


def test_pods_that_request_no_cpu_are_counted_by_what_they_take() -> None:
    (metric,) = autoscaler("{max: 3, cpus: 0}", runtime="{processes: 2}")["metrics"]
    assert metric["resource"]["target"] == {"type": "AverageValue", "averageValue": "700m"}


def test_functions_that_run_together_have_the_largest_of_each_value() -> None:
    scales = (
        "{min: 2, max: 5, target: 4, down_after: 10, cpus: 0.5, memory: 2000000000}",
        "{min: 1, max: 8, target: 2, down_after: 20, cpus: 3}",
        "{replicas: 4}",
        "null",
    )
    assert pods(*scales) == (4, 8)
    assert annotations(*scales) == {
        "min-scale": "4",
        "max-scale": "8",
        "target": "2",
        "target-utilization-percentage": "100",
        "scale-down-delay": "20s",
    }
    assert resources(*scales)["requests"] == {"cpu": "3000m", "memory": "1908Mi"}


def test_functions_of_a_pool_share_pods() -> None:
    written = (
        "version: 1\ndefaults: {scale: {pool: Small_ones, max: 3}}\n"
        "functions:\n  a: {handler: h}\n  b: {handler: h, scale: null}\n  c: {handler: h}\n"
        "routes:\n  - {match: {function: x}, to: {a: 1, b: 2, c: 0}}\ndefault: c\n"
    )
    config = loader.parse(written, "functions.yaml", {})
    groups = applications.by_pool(config)
    assert groups == [Group("Small_ones", ("a", "c")), Group("b", ("b",))]
    pool, alone = applications.of_each(config, written, groups)
    assert (pool.name, pool.functions, alone.name) == ("small-ones", ("a", "c"), "b")
    found = loader.parse(pool.text, "functions.yaml", {})
    assert (list(found.functions), found.default) == (["a", "c"], "c")
    assert [route.to for route in found.routes] == [{"a": 1}]
    assert found.functions["a"] == config.functions["a"]
