"""``s.yaml``: one package as many functions, for the component fc3 of Serverless Devs."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec
from fcplug.errors import ConfigError
from fcplug.inspection import platform_rules
from fcplug.inspection.reachable import reachable
from fcplug.manifests import sizing
from fcplug.manifests.image import Image
from fcplug.manifests.triggers import HTTP, Triggers

NAME = "s.yaml"
PORT = 9000
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MOST_CALLS = 200  # of instanceConcurrency
_MOST_SECONDS = 86400
_USUAL_SECONDS = 60  # where functions.yaml gives no limit; FC's own would be 3
_HOOK_SECONDS = 30
_CPU_STEP = 0.05
_MOST_CPU = 16

Hooks = Mapping[str, Sequence[str]]
"""The hooks that the plugins of each function have."""


class Package(NamedTuple):
    """What is deployed, and where.

    Attributes:
        name: of the project.
        code: the package, a path as ``s.yaml`` sees it.
        region: where to.
        image: the image that runs it.
        variables: the environment that the configuration cannot do without.
        triggers: those of its functions.
    """

    name: str
    code: str
    region: str
    image: Image
    variables: Sequence[str]
    triggers: Triggers


class Part(NamedTuple):
    """A document and what to say about its values."""

    values: dict[str, Any]
    above: dict[Path, str]
    beside: dict[Path, str]


def check_names(config: Config, names: Iterable[str]) -> None:
    """Check that Function Compute takes the names of functions.

    Raises:
        ConfigError: it does not take some; it holds all of them.
    """
    problems = []
    for name in names:
        if not _FUNCTION_NAME.fullmatch(name):
            what = (
                f"'{name}' cannot be the name of a function on Function Compute: it takes 1 to 64 "
                "letters, digits, '_' and '-', and no digit or '-' at the beginning"
            )
            problems.append(config.document.problem(("functions", name), what))
    if problems:
        advice = "  fix: rename them, or name with --function those to deploy"
        raise ConfigError(problems, advice)


def document(config: Config, names: Sequence[str], hooks: Hooks, package: Package) -> Part:
    """Return the file that deploys functions of a configuration.

    Args:
        config: what the package serves.
        names: the functions, in the order in which they are written.
        hooks: those of their plugins.
        package: what is deployed.
    """
    part = Part(
        {
            "edition": "3.0.0",
            "name": package.name,
            "access": "default",
            "vars": {"region": package.region, "code": package.code},
            "resources": {},
        },
        {
            ("access",): "\nThe credentials to deploy with: `s config add` stores them.",
            ("vars",): "\n",
            ("resources",): "\n",
        },
        {("vars", "code"): "one package for all functions"},
    )
    for name in names:
        spec = config.functions[name]
        if part.values["resources"]:
            part.above["resources", name] = "\n"
        part.values["resources"][name] = {"component": "fc3", "props": {}}
        path: Path = ("resources", name, "props")
        _add_function(_Props(part, path), config, spec, hooks, package)
    package.triggers.check()
    return part


class _Props:
    """The settings of one function, with their comments."""

    def __init__(self, part: Part, path: Path) -> None:
        self._part = part
        self._path = path
        values: Any = part.values
        for step in path:
            values = values[step]
        self._values = values

    def add(self, key: str, value: Any, beside: str = "", above: str = "") -> None:
        self._values[key] = value
        path: Path = (*self._path, key)
        if beside:
            self._part.beside[path] = beside
        if above:
            self._part.above[path] = above


def _add_function(
    props: _Props, config: Config, spec: FunctionSpec, hooks: Hooks, package: Package
) -> None:
    specs = [config.functions[name] for name in reachable(config, spec.name, spec.name)]
    props.add("region", "${vars.region}")
    props.add("functionName", spec.name)
    props.add("runtime", package.image.name)
    props.add("handler", spec.name)
    props.add("code", "${vars.code}")
    memory = sizing.memory(config, specs)
    props.add("cpu", cpu(memory))
    props.add("memorySize", memory)
    props.add("diskSize", 512)
    _add_limits(props, config, specs)
    _add_start(props, config, specs)
    _add_hooks(props, specs, hooks)
    variables = {
        name: f"${{env('{name}')}}"
        for name in package.variables
        if not platform_rules.is_set_by_fc(name)
    }
    props.add("environmentVariables", {**package.image.environment, **variables})
    triggers = package.triggers.of(spec, is_web=any(each.application for each in specs))
    if triggers:
        web = triggers[0]["triggerType"] == HTTP
        note = "Callers sign their requests; authType: anonymous opens it to everybody."
        props.add("triggers", triggers, above=note if web else "")


def cpu(memory: int) -> float:
    """Return the vCPU for MiB of memory: FC takes one for each 1 to 4 GiB, in steps of 0.05."""
    steps = math.ceil(memory / 1024 * 2 / 3 / _CPU_STEP)
    return min(round(steps * _CPU_STEP, 2), _MOST_CPU)


def _add_limits(props: _Props, config: Config, specs: Sequence[FunctionSpec]) -> None:
    limits = [each.timeout for each in specs if each.timeout is not None]
    waits = [each.shadow.wait for each in specs if each.shadow]
    unlimited = [_USUAL_SECONDS] if len(limits) < len(specs) else []
    seconds = max([*(math.ceil(limit) + 1 for limit in limits), *unlimited])
    seconds += math.ceil(max(waits, default=0))
    why = "functions.yaml gives no limit"
    if limits and not unlimited:
        then = "a second more, so that the runtime answers first"
        if seconds > _MOST_SECONDS:
            then = "FC may end a call first, since it takes no second more"
        why = f"functions.yaml: {max(limits):g}; {then}"
    props.add("timeout", min(seconds, _MOST_SECONDS), why)
    calls = min(max(sizing.calls_at_once(config, each) for each in specs), _MOST_CALLS)
    props.add("instanceConcurrency", calls, "as many as an instance answers at once")


def _add_start(props: _Props, config: Config, specs: Sequence[FunctionSpec]) -> None:
    start: dict[str, Any] = {"port": PORT}
    if config.runtime.health_path and any(each.application for each in specs):
        start["healthCheckConfig"] = {
            "httpGetUrl": config.runtime.health_path,
            "initialDelaySeconds": 0,
            "periodSeconds": 3,
            "timeoutSeconds": 1,
            "failureThreshold": 3,
            "successThreshold": 1,
        }
    props.add("customRuntimeConfig", start, "the command is /code/bootstrap where none is given")


def _add_hooks(props: _Props, specs: Sequence[FunctionSpec], hooks: Hooks) -> None:
    lifespan = any(each.asgi and each.phases == "hooks" for each in specs)
    found = {hook for each in specs for hook in hooks.get(each.name, ())}
    note = "the lifespan of the application" if lifespan else ""
    cycle = {
        switch: {"handler": hook, "timeout": _HOOK_SECONDS}
        for hook, switch in (("initialize", "initializer"), ("pre_stop", "preStop"))
        if hook in found or lifespan
    }
    if cycle:
        props.add("instanceLifecycleConfig", cycle, note)
