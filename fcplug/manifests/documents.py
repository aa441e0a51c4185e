"""Objects of a cluster with their comments, as one file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.manifests import pod, seal, variables, yaml_text
from fcplug.manifests.applications import CONFIG_FILE, Application
from fcplug.manifests.pod import Order

_NO_NOTES: Mapping[Path, str] = {}


class Object(NamedTuple):
    """One object, what it is for, and comments above and beside its values."""

    purpose: str
    values: dict[str, Any]
    above: Mapping[Path, str] = _NO_NOTES
    beside: Mapping[Path, str] = _NO_NOTES


def text(title: str, arguments: Sequence[str], objects: Sequence[Object]) -> str:
    """Return objects as one file of YAML documents."""
    parts = []
    for each in objects:
        comment = "".join(f"{line}\n" for line in yaml_text.comment(each.purpose))
        notes = yaml_text.Notes(each.above, each.beside)
        parts.append(f"---\n{comment}{yaml_text.dump(each.values, notes)}")
    return seal.sealed(title, arguments, "".join(parts))


def config_map(config: Config, order: Order, application: Application) -> Object:
    """Return the ConfigMap with the configuration of an application."""
    then = "an edit takes effect in the running pods, a minute after it at most"
    if config.runtime.reload == "off":
        then = "new pods take over an edit"
    purpose = f"The configuration: {then}."
    if _shows_secrets(application):
        purpose += (
            "\nThe secrets of runtime.auth are readable for all who may read ConfigMaps: write\n"
            "${NAME} in their place, and a Secret holds them."
        )
    return Object(
        purpose,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": pod.metadata(order, application, pod.config_map_name(application)),
            "data": {CONFIG_FILE: application.text},
        },
    )


def _shows_secrets(application: Application) -> bool:
    """Return whether a configuration has secrets that are not taken from the environment."""
    written = variables.written(application.text)
    secrets = [
        each
        for kind in ("tokens", "keys")
        for each in variables.at(written, ("runtime", "auth", kind)) or ()
    ]
    return any("${" not in each for each in secrets)


def title(config: Config, application: Application, order: Order, where: str) -> str:
    """Return what a file is for, and what there is to do."""
    names = application.functions
    served = f"the function {names[0]}" if len(names) == 1 else f"{len(names)} functions"
    lines = [
        f"Runs {served} of {config.file} on {where}:",
        "  kubectl apply -f FILE",
        "Keep changes of your own in a kustomization, not here.",
    ]
    if len(names) > 1:
        others = f"; {config.default} answers all others" if config.default else ""
        lines.append(f"Callers name a function in the header {protocol.FUNCTION_NAME}{others}.")
    if any(config.functions[name].triggers for name in names):
        lines.append("The triggers are those of Function Compute: nothing fires them here.")
    if application.variables:
        place = f" -n {order.namespace}" if order.namespace else ""
        values = " ".join(f"--from-literal={name}=..." for name in application.variables)
        secret = pod.secret_name(application)
        lines.append("Make the Secret with its variables first:")
        lines.append(f"  kubectl create secret generic {secret}{place} {values}")
    return "\n".join(lines)
