"""What a container of fcplug needs on a cluster: probes, limits, rights, files and variables."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.manifests import container, sizing, variables
from fcplug.manifests.applications import CONFIG_FILE, Application
from fcplug.manifests.scaling import Pods, Scaling

FOLDER = "/etc/fcplug"
ENDPOINT_SECONDS = 5  # until no new request is sent to a pod that is to end
_HOOK_SECONDS = 5  # that all pre_stop hooks have
_SUPERVISOR_SECONDS = 5  # that a supervisor waits longer than its processes
_SPARE_SECONDS = 5
_START_SECONDS = 120
_CPU = 500  # thousandths of a CPU for each process
_MIB = 1024 * 1024
_GPU = "nvidia.com/gpu"
# a resource that nodes of a cluster may have: a domain that is not Kubernetes' own, and a name
_DEVICE = re.compile(
    r"(?!([a-z0-9-.]+\.)?kubernetes\.io/)[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?"
    r"/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)


class Order(NamedTuple):
    """What is asked for.

    Attributes:
        project: the name of the whole.
        image: of the container.
        namespace: where to, empty for where kubectl is.
        pods: how many, as far as the command says it.
        arguments: of the command that makes this again.
    """

    project: str
    image: str
    namespace: str
    pods: Pods
    arguments: Sequence[str]


def metadata(order: Order, application: Application, name: str) -> dict[str, Any]:
    """Return the name, namespace and labels of an object."""
    place = {"namespace": order.namespace} if order.namespace else {}
    return {"name": name, **place, "labels": labels(order, application)}


def labels(order: Order, application: Application) -> dict[str, str]:
    """Return the labels of everything that belongs to an application."""
    return {
        **selector(application),
        "app.kubernetes.io/part-of": order.project,
        "app.kubernetes.io/managed-by": "fcplug",
    }


def selector(application: Application) -> dict[str, str]:
    """Return the label by which an application's pods are found."""
    return {"app.kubernetes.io/name": application.name}


def config_map_name(application: Application) -> str:
    """Return the name of the ConfigMap with an application's configuration."""
    return f"{application.name}-config"


def secret_name(application: Application) -> str:
    """Return the name of the Secret that an application's variables come from."""
    return f"{application.name}-env"


def grace(config: Config) -> int:
    """Return the seconds that an instance needs to end, from SIGTERM on."""
    supervisor = _SUPERVISOR_SECONDS if config.runtime.supervised else 0
    drain = math.ceil(config.runtime.drain_timeout)
    return drain + _HOOK_SECONDS + supervisor + _SPARE_SECONDS


def checksums(config: Config, application: Application) -> dict[str, str]:
    """Return annotations that change when only new pods can take over an edit."""
    if config.runtime.reload == "off":
        return {"checksum/config": _digest(application.text.encode())}
    runtime = variables.written(application.text).get("runtime")
    return {"checksum/runtime": _digest(json.dumps(runtime, sort_keys=True).encode())}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def environment(application: Application) -> list[dict[str, Any]]:
    """Return the variables of the container; values come from a Secret."""
    secret = secret_name(application)
    return [
        {"name": "FCPLUG_CONFIG", "value": f"{FOLDER}/{CONFIG_FILE}"},
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
            for name in application.variables
        ),
    ]


def resources(config: Config, application: Application, scale: Scaling) -> dict[str, Any]:
    """Return what a pod is promised, and what it may not exceed."""
    functions = [config.functions[name] for name in application.functions]
    needed = sizing.memory(config, functions)
    reserved = needed if scale.memory is None else math.ceil(scale.memory / _MIB)
    requests = {"cpu": f"{cpu(config, scale)}m", "memory": f"{reserved}Mi"}
    if scale.cpus == 0:
        del requests["cpu"]
    limits = {"memory": f"{max(needed, reserved)}Mi"}
    for name, amount in _devices(scale).items():
        requests[name] = limits[name] = str(math.ceil(amount))
    return {"requests": requests, "limits": limits}


def cpu(config: Config, scale: Scaling) -> int:
    """Return the thousandths of a CPU that a pod needs."""
    if scale.cpus:
        return max(1, round(scale.cpus * 1000))
    return _CPU * config.runtime.processes


def notes_of_resources(scale: Scaling, path: Path) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return comments above and beside what a pod is promised.

    Args:
        scale: what the configuration says.
        path: of the resources, in their object.
    """
    above, beside = {}, {}
    unknown = [name for name in scale.resources if not _DEVICE.fullmatch(name)]
    if unknown:
        above[path] = (
            f"Not here: {', '.join(unknown)} of scale.resources. Kubernetes names resources with\n"
            "their domain, as in example.com/disk; a nodeSelector chooses nodes by labels."
        )
    for name, amount in _devices(scale).items():
        if amount % 1:
            place: Path = (*path, "limits", name)
            beside[place] = f"functions.yaml: {amount:g}; a pod has whole ones"
    return above, beside


def _devices(scale: Scaling) -> dict[str, float]:
    own = {name: amount for name, amount in scale.resources.items() if _DEVICE.fullmatch(name)}
    return {**({_GPU: scale.gpus} if scale.gpus else {}), **own}


def probes(config: Config, port: Mapping[str, str]) -> dict[str, Any]:
    """Return the probes of a container that starts: of the health path, else of the port.

    Args:
        config: says what answers.
        port: which port to ask, as a probe has it.
    """
    path = config.runtime.health_path
    how: dict[str, Any] = {"httpGet": {"path": path, **port}} if path else {"tcpSocket": {**port}}
    return {
        "readinessProbe": {**how, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**how, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def start_probe(probe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a probe that waits for the start, and then asks as another probe does."""
    how = {key: value for key, value in probe.items() if key in ("httpGet", "tcpSocket")}
    return {**how, "periodSeconds": 2, "failureThreshold": _START_SECONDS // 2}


def rights() -> dict[str, Any]:
    """Return what the container may do: nothing that it does not need."""
    return {
        "runAsNonRoot": True,
        "runAsUser": container.USER,
        "runAsGroup": container.USER,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def mounts() -> list[dict[str, Any]]:
    """Return where the volumes are in the container."""
    return [
        {"name": "config", "mountPath": FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the container
    ]


def volumes(application: Application) -> list[dict[str, Any]]:
    """Return the volumes: the configuration, and the only folder that can be written."""
    return [
        {"name": "config", "configMap": {"name": config_map_name(application)}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}},
    ]
