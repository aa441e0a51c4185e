"""An application on Knative: a Service that scales with its calls, down to zero; a ConfigMap."""

import math
from typing import Any

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.manifests import container, documents, pod, scaling, sizing
from fcplug.manifests.applications import Application
from fcplug.manifests.documents import Object
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Scaling

_SCALE = "autoscaling.knative.dev"
_USUAL_SECONDS = 300  # Knative's own limit of a call
_MOST_SECONDS = 600  # unless the cluster's config-defaults say otherwise
_MOST_CALLS = 1000
_USUAL_LEAST = 0  # pods, where nothing says how many
_LEAST_TARGET = 0.01
_MOST_DELAY = 3600  # seconds
_ANNOTATIONS: Path = ("spec", "template", "metadata", "annotations")
_POD: Path = ("spec", "template", "spec")
_CONTAINER: Path = (*_POD, "containers", 0)


def text(config: Config, application: Application, order: Order) -> str:
    """Return the file with all objects of an application."""
    objects = [
        documents.config_map(config, order, application),
        _service(config, application, order),
    ]
    title = documents.title(config, application, order, "Knative Serving")
    return documents.text(title, order.arguments, objects)


def _service(config: Config, application: Application, order: Order) -> Object:
    seconds, why = _limit(config, application)
    scale = scaling_of(config, application, order)
    values = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": pod.metadata(order, application, application.name),
        "spec": {
            "template": {
                "metadata": {
                    "labels": pod.labels(order, application),
                    "annotations": {
                        **_annotations(scale),
                        **pod.checksums(config, application),
                    },
                },
                "spec": {
                    "containerConcurrency": _calls(config, application),
                    "timeoutSeconds": seconds,
                    "enableServiceLinks": False,
                    "containers": [_container(config, application, order, scale)],
                    "volumes": pod.volumes(application),
                },
            }
        },
    }
    purpose = "The functions, with as many pods as their calls need."
    return Object(purpose, values, *_notes(scale, why))


def _notes(scale: Scaling, why: str) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the comments above and beside the values of a Service."""
    above, beside = pod.notes_of_resources(scale, (*_CONTAINER, "resources"))
    limit: Path = (*_POD, "timeoutSeconds")
    above[limit] = "A pod has this time to finish what it has accepted, too."
    beside |= {
        limit: why,
        (*_POD, "containerConcurrency"): "as many as a pod answers at once",
        (*_ANNOTATIONS, f"{_SCALE}/target"): "scale.target: calls at once for each pod",
    }
    if scale.least == 0:
        least: Path = (*_ANNOTATIONS, f"{_SCALE}/min-scale")
        beside[least] = "no pod while there are no calls; the next one waits for a start"
    return above, beside


def scaling_of(config: Config, application: Application, order: Order) -> Scaling:
    """Return how an application is scaled."""
    return scaling.scaling(config, application, order.pods, _USUAL_LEAST)


def _annotations(scale: Scaling) -> dict[str, str]:
    """Return what the autoscaler reads."""
    texts = {"min-scale": str(scale.least), "max-scale": str(scale.most)}
    if scale.target is not None:
        texts["target"] = f"{max(scale.target, _LEAST_TARGET):g}"
        texts["target-utilization-percentage"] = "100"  # else 70 percent of the target
    if scale.down_after is not None:
        texts["scale-down-delay"] = f"{min(round(scale.down_after), _MOST_DELAY)}s"
    return {f"{_SCALE}/{key}": text for key, text in texts.items()}


def _container(
    config: Config, application: Application, order: Order, scale: Scaling
) -> dict[str, Any]:
    return {
        "name": "functions",
        "image": order.image,
        "ports": [{"name": "http1", "containerPort": container.PORT}],
        "env": pod.environment(application),
        **pod.probes(config, {}),  # Knative knows its port, and asks while the pod starts
        "resources": pod.resources(config, application, scale),
        "securityContext": pod.rights(),
        "volumeMounts": pod.mounts(),
    }


def _calls(config: Config, application: Application) -> int:
    runtime = config.runtime
    most = runtime.threads * runtime.processes
    if len(application.functions) == 1:
        most = sizing.calls_at_once(config, config.functions[application.functions[0]])
    return min(most, _MOST_CALLS)


def _limit(config: Config, application: Application) -> tuple[int, str]:
    """Return the seconds that Knative gives a call, and where they come from."""
    given = [config.functions[name].timeout for name in application.functions]
    limits = [each for each in given if each]
    seconds, why = 0, ""
    if limits:
        seconds = math.ceil(max(limits)) + 1
        why = f"functions.yaml: {max(limits):g}, and a second more"
    if len(limits) < len(given) and seconds <= _USUAL_SECONDS:
        seconds, why = _USUAL_SECONDS, "Knative's usual: functions.yaml gives no limit"
    if (grace := pod.grace(config)) > seconds:
        seconds, why = grace, "drain_timeout, pre_stop hooks, and some to spare"
    if seconds > _MOST_SECONDS:
        why += f". Above {_MOST_SECONDS}: raise max-revision-timeout-seconds in config-defaults"
    return seconds, why
