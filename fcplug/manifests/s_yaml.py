"""The text of ``s.yaml``: what is made, the overlay merged over it, checked, and its header."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fcplug.config.document import Document
from fcplug.config.loader import Config
from fcplug.config.location import Path, dotted
from fcplug.errors import ConfigError, Problem
from fcplug.manifests import fc3_rules, overlay, seal, serverless, yaml_text
from fcplug.manifests.serverless import Hooks, Package, Part

_SPARE_PLACES = 2  # resources.NAME: where a function of functions.yaml is in s.yaml


class Order(NamedTuple):
    """What ``fcplug manifest s.yaml`` was asked for, and the arguments that ask for it again."""

    functions: Sequence[str]
    package: Package
    arguments: Sequence[str]


def text(config: Config, hooks: Hooks, order: Order, over: Document | None) -> str:
    """Return the whole file.

    Args:
        config: what the package serves.
        hooks: those of the plugins of each function.
        order: what is asked for.
        over: the overlay, None if there is none.

    Raises:
        ConfigError: Function Compute would not take a name or a value; it says where that is.
    """
    names = order.functions or list(config.functions)
    kept = [name for name in names if not _removed(over, name)]
    serverless.check_names(config, kept)
    part = serverless.document(config, kept, hooks, order.package)
    if over:
        part = overlay.merge(part, over)
    _fit_cpu(part, over)
    problems = [_problem(config, over, *each) for each in fc3_rules.mistakes(part.values)]
    if problems:
        raise ConfigError(problems)
    beside = over.file if over else overlay.NAME
    title = (
        f"Deploys {config.file} by Serverless Devs: s deploy\n"
        f"Write your own values into {beside}: they are merged in."
    )
    body = yaml_text.dump(part.values, yaml_text.Notes(part.above, part.beside))
    return seal.sealed(title, order.arguments, f"\n{body}")


def _removed(over: Document | None, name: str) -> bool:
    resources: Mapping[str, object] = over.values.get("resources", {}) if over else {}
    return name in resources and resources[name] is None


def _fit_cpu(part: Part, over: Document | None) -> None:
    """Give each function the vCPU that fits its memory, unless the overlay gives them."""
    for name, resource in part.values["resources"].items():
        path: Path = ("resources", name, "props", "cpu")
        props = resource.get("props") if isinstance(resource, dict) else None
        if not isinstance(props, dict) or "cpu" not in props or overlay.place(over, path):
            continue
        memory = props.get("memorySize")
        if isinstance(memory, int) and memory > 0:
            props["cpu"] = serverless.cpu(memory)


def _problem(config: Config, over: Document | None, path: Path, what: str) -> Problem:
    """Return a problem where the value comes from: the overlay, else the configuration."""
    for length in range(len(path), _SPARE_PLACES - 1, -1):
        if found := overlay.place(over, path[:length]):
            document, known = found
            return document.problem(known, f"{dotted(path[length:])} {what}".strip())
    if over and path[0] != "resources":
        return over.problem(path, what)
    return config.document.problem(("functions", *path[1:2]), f"{dotted(path)} {what}")
