"""An application on Kubernetes: Deployment, Service, autoscaler, disruption budget, ConfigMap."""

from typing import Any

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.manifests import container, documents, pod
from fcplug.manifests.applications import Application
from fcplug.manifests.documents import Object
from fcplug.manifests.pod import Order

_POD: Path = ("spec", "template", "spec")
_CONTAINER: Path = (*_POD, "containers", 0)
_OPEN = (
    "Everyone who reaches it can call the functions: set runtime.auth in functions.yaml,\n"
    "or let a NetworkPolicy choose."
)


def text(config: Config, application: Application, order: Order) -> str:
    """Return the file with all objects of an application."""
    objects = [
        documents.config_map(config, order, application),
        _service(config, application, order),
        _deployment(config, application, order),
        _autoscaler(application, order),
        _budget(application, order),
    ]
    title = documents.title(config, application, order, "Kubernetes")
    return documents.text(title, order.arguments, objects)


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


def _deployment(config: Config, application: Application, order: Order) -> Object:
    values = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pod.metadata(order, application, application.name),
        "spec": {
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
                "spec": _pod(config, application, order),
            },
        },
    }
    above = {
        ("spec", "selector"): "No replicas here: the HorizontalPodAutoscaler sets them.",
        ("spec", "template", "metadata", "annotations"): _why_checksum(config),
        (*_POD, "topologySpreadConstraints"): "Spread over the nodes where that is possible.",
        (*_CONTAINER, "lifecycle"): "The pod answers until no Service sends to it any more.",
    }
    beside = {
        (*_POD, "terminationGracePeriodSeconds"): (
            f"{pod.ENDPOINT_SECONDS} of preStop, drain_timeout, pre_stop hooks, and some to spare"
        ),
        (*_POD, "enableServiceLinks"): "no variables of other Services, such as FC_SERVER_PORT",
        (*_CONTAINER, "startupProbe"): "as long as Function Compute waits",
        (*_CONTAINER, "resources", "limits"): "of memory only: a limit of CPU slows requests down",
    }
    return Object("The pods.", values, above, beside)


def _why_checksum(config: Config) -> str:
    if config.runtime.reload == "off":
        return "runtime.reload is off: each edit of the configuration starts new pods."
    return "The keys of runtime, unlike all others, take effect in new pods only."


def _pod(config: Config, application: Application, order: Order) -> dict[str, Any]:
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
                "resources": pod.resources(config, application),
                "securityContext": pod.rights(),
                "volumeMounts": pod.mounts(),
            }
        ],
        "volumes": pod.volumes(application),
    }


def _sleep() -> list[str]:
    return ["sleep", str(pod.ENDPOINT_SECONDS)]


def _autoscaler(application: Application, order: Order) -> Object:
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
            "minReplicas": order.least,
            "maxReplicas": order.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 70},
                    },
                }
            ],
        },
    }
    key: Path = ("spec", "metrics", 0, "resource", "target", "averageUtilization")
    return Object("How many pods.", values, {}, {key: "percent of the CPU that a pod requests"})


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
