"""An application on Kubernetes: Deployment, Service, autoscaler, disruption budget, ConfigMap."""

from typing import Any

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.manifests import container, documents, pod, scaling
from fcplug.manifests.applications import Application
from fcplug.manifests.documents import Object
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Scaling

_POD: Path = ("spec", "template", "spec")
_CONTAINER: Path = (*_POD, "containers", 0)
_USUAL_LEAST = 2  # pods, where nothing says how many
_BUSY = 70  # percent
_MOST_WAIT = 3600  # seconds, of a HorizontalPodAutoscaler
_OPEN = (
    "Everyone who reaches it can call the functions: set runtime.auth in functions.yaml,\n"
    "or let a NetworkPolicy choose."
)


def text(config: Config, application: Application, order: Order) -> str:
    """Return the file with all objects of an application."""
    scale = scaling_of(config, application, order)
    objects = [
        documents.config_map(config, order, application),
        _service(config, application, order),
        _deployment(config, application, order, scale),
        *([] if scale.fixed else [_autoscaler(config, application, order, scale)]),
        _budget(application, order),
    ]
    title = documents.title(config, application, order, "Kubernetes")
    return documents.text(title, order.arguments, objects)


def scaling_of(config: Config, application: Application, order: Order) -> Scaling:
    """Return how an application is scaled."""
    return scaling.scaling(config, application, order.pods, _USUAL_LEAST)


def _service(config: Config, application: Application, order: Order) -> Object:
    return Object(
        "One address for all pods." + ("" if config.runtime.auth else f"\n{_OPEN}"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": pod.metadata(order, application, application.name),
            "spec": {
                "selector": pod.selector(application),
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        },
    )


def _deployment(config: Config, application: Application, order: Order, scale: Scaling) -> Object:
    values = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pod.metadata(order, application, application.name),
        "spec": {
            **({"replicas": scale.most} if scale.fixed else {}),
            "selector": {"matchLabels": pod.selector(application)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {
                    "labels": pod.labels(order, application),
                    "annotations": pod.checksums(config, application),
                },
                "spec": _pod(config, application, order, scale),
            },
        },
    }
    return Object("The pods.", values, *_notes(config, scale))


def _notes(config: Config, scale: Scaling) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the comments above and beside the values of a Deployment."""
    above, beside = pod.notes_of_resources(scale, (*_CONTAINER, "resources"))
    above |= {
        ("spec", "template", "metadata", "annotations"): _why_checksum(config),
        (*_POD, "topologySpreadConstraints"): "Spread over the nodes where that is possible.",
        (*_CONTAINER, "lifecycle"): "The pod answers until no Service sends to it any more.",
    }
    if not scale.fixed:
        above["spec", "selector"] = "No replicas here: the HorizontalPodAutoscaler sets them."
    beside |= {
        ("spec", "replicas"): "scale.replicas of functions.yaml",
        (*_POD, "terminationGracePeriodSeconds"): (
            f"{pod.ENDPOINT_SECONDS} of preStop, drain_timeout, pre_stop hooks, and some to spare"
        ),
        (*_POD, "enableServiceLinks"): "no variables of other Services, such as FC_SERVER_PORT",
        (*_CONTAINER, "startupProbe"): "as long as Function Compute waits",
        (*_CONTAINER, "resources", "limits"): "none of CPU: it would slow requests down",
    }
    return above, beside


def _why_checksum(config: Config) -> str:
    if config.runtime.reload == "off":
        return "runtime.reload is off: each edit of the configuration starts new pods."
    return "An edit of the keys of runtime starts new pods: running ones do not take it over."


def _pod(config: Config, application: Application, order: Order, scale: Scaling) -> dict[str, Any]:
    probes = pod.probes(config, {"port": "http"})
    return {
        "terminationGracePeriodSeconds": pod.ENDPOINT_SECONDS + pod.grace(config),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": pod.selector(application)},
            }
        ],
        "containers": [
            {
                "name": "functions",
                "image": order.image,
                "ports": [{"name": "http", "containerPort": container.PORT}],
                "env": pod.environment(application),
                "startupProbe": pod.start_probe(probes["livenessProbe"]),
                **probes,
                "lifecycle": {"preStop": {"exec": {"command": _sleep()}}},
                "resources": pod.resources(config, application, scale),
                "securityContext": pod.rights(),
                "volumeMounts": pod.mounts(),
            }
        ],
        "volumes": pod.volumes(application),
    }


def _sleep() -> list[str]:
    return ["sleep", str(pod.ENDPOINT_SECONDS)]


def _autoscaler(config: Config, application: Application, order: Order, scale: Scaling) -> Object:
    target, unit = _target(config, scale)
    values = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": pod.metadata(order, application, application.name),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": application.name,
            },
            "minReplicas": max(1, scale.least),
            "maxReplicas": scale.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            **_behavior(scale),
        },
    }
    above: dict[Path, str] = {}
    if scale.target is not None:
        above["spec", "metrics"] = (
            f"scale.target of functions.yaml is {scale.target:g} calls at once: only an adapter\n"
            "for metrics could count them here, so the CPU decides."
        )
    place: Path = ("spec", "metrics", 0, "resource", "target", [*target][-1])
    beside = {place: unit}
    if scale.least == 0:
        beside["spec", "minReplicas"] = "scale.min of functions.yaml is 0; here one pod stays"
    purpose = "How many pods" + (", as scale in functions.yaml says." if scale.given else ".")
    return Object(purpose, values, above, beside)


def _target(config: Config, scale: Scaling) -> tuple[dict[str, Any], str]:
    """Return how much CPU each pod should take, and in which unit that is."""
    if scale.cpus == 0:
        value = f"{pod.cpu(config, scale) * _BUSY // 100}m"
        target: dict[str, Any] = {"type": "AverageValue", "averageValue": value}
        return target, "CPU that each pod takes; they request none"
    target = {"type": "Utilization", "averageUtilization": _BUSY}
    return target, "percent of the CPU that a pod requests"


def _behavior(scale: Scaling) -> dict[str, Any]:
    waits = {"scaleUp": scale.up_after, "scaleDown": scale.down_after}
    behavior = {
        way: {"stabilizationWindowSeconds": min(round(seconds), _MOST_WAIT)}
        for way, seconds in waits.items()
        if seconds is not None
    }
    return {"behavior": behavior} if behavior else {}


def _budget(application: Application, order: Order) -> Object:
    values = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": pod.metadata(order, application, application.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": pod.selector(application)},
        },
    }
    return Object("A drained node takes one pod at a time.", values)
