"""What runs on a cluster: all functions as one application, or one application for each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.loader import Config
from fcplug.errors import ConfigError, Problem
from fcplug.manifests import variables, yaml_text

CONFIG_FILE = "functions.yaml"
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_RULE = "a name there has at most 63 lower-case letters, digits and '-', a letter first"
_OF_FUNCTIONS = ("functions", "routes", "default")
_MOST_BYTES = 1_000_000  # of the data of a ConfigMap: Kubernetes takes 1 MiB


class Group(NamedTuple):
    """Functions that run together, under the name of the function or of their pool."""

    name: str
    functions: tuple[str, ...]


class Application(NamedTuple):
    """Something that is deployed under one name.

    Attributes:
        name: as Kubernetes takes it.
        functions: those that it serves.
        text: its configuration.
        variables: the environment that it cannot do without.
    """

    name: str
    functions: tuple[str, ...]
    text: str
    variables: Sequence[str]


def check_label(name: str) -> str:
    """Return what is wrong with a name, as Kubernetes sees it; empty if nothing is."""
    return "" if _LABEL.fullmatch(name) else f"{name!r} is not possible: {_RULE}"


def check_namespace(name: str) -> str:
    """Return what is wrong with the name of a namespace, empty if nothing is."""
    return "" if name[:1].isdigit() and _LABEL.fullmatch(f"n{name[1:]}") else check_label(name)


def label(name: str) -> str:
    """Return a name with everything that Kubernetes does not take replaced by ``-``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def of_all(config: Config, text: str, name: str) -> Application:
    """Return one application that serves all functions.

    Raises:
        ConfigError: the configuration is too large for a ConfigMap.
    """
    made = Application(name, tuple(config.functions), text, variables.required(text))
    _raise(config, _too_large(config, [made]))
    return made


def by_themselves(names: Sequence[str]) -> list[Group]:
    """Return a group for each function that is named."""
    return [Group(name, (name,)) for name in dict.fromkeys(names)]


def by_pool(config: Config) -> list[Group]:
    """Return all functions of a configuration, those of a pool together."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name, spec in config.functions.items():
        pool = spec.scale.pool if spec.scale else None
        groups.setdefault((pool or name, bool(pool)), []).append(name)
    return [Group(name, tuple(functions)) for (name, _), functions in groups.items()]


def of_each(config: Config, text: str, groups: Sequence[Group]) -> list[Application]:
    """Return an application for each group.

    Raises:
        ConfigError: names that Kubernetes does not take, or that become the same there.
    """
    _raise(config, _of_names(config, groups))
    written = variables.written(text)
    made = []
    for name, functions in groups:
        own = _only(written, functions)
        made.append(Application(label(name), functions, own, variables.required(own)))
    _raise(config, _too_large(config, made))
    return made


def _raise(config: Config, problems: Iterator[Problem]) -> None:
    if found := list(problems):
        fix = f"  fix: rename the functions in {config.file}, or name others with --function"
        raise ConfigError(found, fix if "name" in found[0].what else "")


def _of_names(config: Config, groups: Sequence[Group]) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name, functions in groups:
        shown = f"'{name}'" if functions == (name,) else f"the pool '{name}'"
        converted, path = label(name), ("functions", functions[0])
        if check_label(converted):
            what = f"{shown} would have the name '{converted}' on Kubernetes: {_RULE}"
            yield config.document.problem(path, what)
        elif converted in taken:
            both = f"{shown} and {taken[converted]}"
            what = f"{both} would both have the name '{converted}' on Kubernetes"
            yield config.document.problem(path, what)
        taken.setdefault(converted, shown)


def _too_large(config: Config, made: Sequence[Application]) -> Iterator[Problem]:
    for each in made:
        size = len(each.text.encode())
        if size > _MOST_BYTES:
            what = f"{size} bytes, and a ConfigMap takes {_MOST_BYTES}"
            yield config.document.problem((), what)


def _only(written: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a configuration with functions, what they need, and the routes that lead to them."""
    kept = {key: value for key, value in written.items() if key not in _OF_FUNCTIONS}
    needed = dict.fromkeys(each for name in names for each in _with_shadows(written, name))
    kept["functions"] = {each: written["functions"][each] for each in needed}
    routes = [
        {**route, "to": to} for route in written.get("routes") or [] if (to := _to(route, names))
    ]
    if routes:
        kept["routes"] = routes
    if written.get("default") in names:
        kept["default"] = written["default"]
    elif len(names) == 1 and len(needed) > 1:
        kept["default"] = names[0]  # of calls that name no function: not the shadow
    return yaml_text.dump(kept)


def _with_shadows(written: Mapping[str, Any], name: str) -> list[str]:
    """Return a function, and those that get copies of its events."""
    found: list[str] = []
    while name and name not in found:
        found.append(name)
        shadow = written["functions"][name].get("shadow")
        name = shadow.get("to", "") if isinstance(shadow, Mapping) else shadow
    return found


def _to(route: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return what of a route leads to functions, None if nothing does."""
    to = route["to"]
    if isinstance(to, Mapping):
        return {name: weight for name, weight in to.items() if weight and name in names} or None
    return to if to in names else None
