"""What the component fc3 and Function Compute accept in ``s.yaml``."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fcplug.config.location import Path
from fcplug.errors import did_you_mean
from fcplug.inspection import platform_rules

Rule = Callable[[Any], str]
"""Returns what is wrong with a value, empty if nothing is."""

Mistake = tuple[Path, str]

_REFERENCE = "${"  # Serverless Devs fills it in: its value is not known here
_MOST_VARIABLES = 4096  # bytes of names and values
_TRIGGERS = (
    "cdn_events", "eventbridge", "http", "log", "mns_topic", "oss", "tablestore", "timer",
)  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what would be refused, each with the path of its value."""
    if document.get("edition") != "3.0.0":
        yield ("edition",), "must be 3.0.0: the component fc3 is of this edition"
    region = (document.get("vars") or {}).get("region", "")
    if region and _REFERENCE not in str(region) and (what := check_region(region)):
        yield ("vars", "region"), what
    seen: dict[tuple[Any, Any], str] = {}
    for name, resource in document.get("resources", {}).items():
        path: Path = ("resources", name)
        component = resource.get("component") if isinstance(resource, dict) else None
        if not isinstance(component, str) or not component:
            yield path, "has no component, as in component: fc3"
        elif component.partition("@")[0] == "fc3":
            props = resource.get("props")
            if not isinstance(props, dict):
                yield path, "has no props"
                continue
            yield from _of_function(props, (*path, "props"))
            where = (props.get("region"), props.get("functionName"))
            if where in seen:
                what = f"'{where[1]}' is the function of '{seen[where]}', too"
                yield (*path, "props", "functionName"), what
            seen[where] = name


def check_region(value: Any) -> str:
    """Return what is wrong with the name of a region, empty if nothing is."""
    return _RULES["region"](value)


def _of_function(props: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    for key in ("region", "functionName", "runtime", "code"):
        if key not in props:
            yield path, f"has no {key}"
    for dotted, rule in _RULES.items():
        *way, last = dotted.split(".")
        value: Any = props
        for step in way:
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, dict) or last not in value:
            continue
        if isinstance(value[last], str) and _REFERENCE in value[last]:
            continue
        if what := rule(value[last]):
            yield (*path, *way, last), what
    yield from _of_size(props, path)
    yield from _of_triggers(props.get("triggers"), (*path, "triggers"))
    yield from _of_variables(props.get("environmentVariables"), (*path, "environmentVariables"))


def _of_size(props: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    cpu, memory = props.get("cpu"), props.get("memorySize")
    if not isinstance(cpu, int | float) or not isinstance(memory, int):
        return
    if not cpu <= memory / 1024 <= 4 * cpu:
        what = f"{memory} MB do not fit {cpu:g} vCPU: each vCPU takes 1 to 4 GB"
        yield (*path, "memorySize"), what


def _of_variables(variables: Any, path: Path) -> Iterator[Mistake]:
    if variables is None:
        return
    if not isinstance(variables, dict):
        yield path, "must be a mapping of names to texts"
        return
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            yield (*path, name), "a variable's name has letters, digits and '_', a letter first"
        elif platform_rules.is_set_by_fc(name):
            yield (*path, name), "Function Compute keeps this variable for itself"
        if not isinstance(value, str):
            yield (*path, name), "must be a text: put it in quotes"
    size = sum(len(f"{name}{value}".encode()) for name, value in variables.items())
    if size > _MOST_VARIABLES:
        yield path, f"{size} bytes of names and values, and Function Compute takes 4096"


def _of_triggers(triggers: Any, path: Path) -> Iterator[Mistake]:
    if triggers is None or (isinstance(triggers, str) and _REFERENCE in triggers):
        return
    if not isinstance(triggers, list) or not all(isinstance(each, dict) for each in triggers):
        yield path, "must be a list of mappings"
        return
    seen = set()
    for each in triggers:
        for key in ("triggerName", "triggerType", "triggerConfig"):
            if key not in each:
                yield path, f"a trigger has no {key}"
        name = each.get("triggerName")
        if name in seen:
            yield path, f"two triggers have the name {name!r}"
        seen.add(name if isinstance(name, str) else None)
        kind = each.get("triggerType")
        if isinstance(kind, str) and kind not in _TRIGGERS and _REFERENCE not in kind:
            yield path, f"{kind!r} is not a type of trigger{did_you_mean(kind, _TRIGGERS)}"


def _whole(least: int, most: int, step: int = 1) -> Rule:
    words = f"a whole number from {least} to {most}{f', a multiple of {step}' if step > 1 else ''}"

    def rule(value: Any) -> str:
        fits = type(value) is int and least <= value <= most and value % step == 0
        return "" if fits else f"{value} is not {words}"

    return rule


def _pattern(pattern: str, words: str) -> Rule:
    compiled = re.compile(pattern)

    def rule(value: Any) -> str:
        fits = isinstance(value, str) and compiled.fullmatch(value)
        return "" if fits else f"{value!r} is not {words}"

    return rule


def _any_of(*values: Any) -> Rule:
    words = " or ".join(map(str, values))
    return lambda value: "" if value in values else f"{value} is not {words}"


def _texts(value: Any) -> str:
    fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return "" if fits else "must be a list of texts"


def _layers(value: Any) -> str:
    if what := _texts(value):
        return what
    return f"{len(value)} layers, and Function Compute takes 5" if len(value) > 5 else ""


def _cpu(value: Any) -> str:
    steps = value / 0.05 if isinstance(value, int | float) else 0
    fits = 0.05 <= value <= 16 and abs(steps - round(steps)) < 1e-6 if steps else False
    return "" if fits else f"{value} is not a number from 0.05 to 16, in steps of 0.05"


_RULES: Mapping[str, Rule] = {
    "region": _pattern(r"[a-z]{2}-[a-z]+(-[0-9]+)?(-[a-z]+)?", "a region, such as cn-hangzhou"),
    "functionName": _pattern(
        r"[A-Za-z_][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, '_' and '-', a letter first"
    ),
    "runtime": _pattern(r"custom.*", "a custom runtime, such as custom.debian12"),
    "handler": _pattern(r"(?s).{1,128}", "a text of 1 to 128 characters"),
    "cpu": _cpu,
    "memorySize": _whole(128, 32768, 64),
    "diskSize": _any_of(512, 10240),
    "timeout": _whole(1, 86400),
    "instanceConcurrency": _whole(1, 200),
    "layers": _layers,
    "customRuntimeConfig.command": _texts,
    "customRuntimeConfig.args": _texts,
    "customRuntimeConfig.port": _whole(1, 65535),
    "customRuntimeConfig.healthCheckConfig.httpGetUrl": _pattern(r"/.{0,2047}", "a path"),
    "customRuntimeConfig.healthCheckConfig.initialDelaySeconds": _whole(0, 120),
    "customRuntimeConfig.healthCheckConfig.periodSeconds": _whole(1, 120),
    "customRuntimeConfig.healthCheckConfig.timeoutSeconds": _whole(1, 3),
    "customRuntimeConfig.healthCheckConfig.failureThreshold": _whole(1, 120),
    "customRuntimeConfig.healthCheckConfig.successThreshold": _whole(1, 120),
    "instanceLifecycleConfig.initializer.timeout": _whole(1, 300),
    "instanceLifecycleConfig.preStop.timeout": _whole(1, 90),
}
