"""``s.yaml``: what Serverless Devs deploys, as far as it concerns ``functions.yaml``."""

import os
from collections.abc import Container, Iterator
from typing import Any, NamedTuple

import yaml

from fcplug.config.location import Location
from fcplug.errors import ConfigError, Problem

NAMES = ("s.yaml", "s.yml")
_MAX_SIZE = 8 * 1024 * 1024  # bytes: some thousand functions
_DEFAULT_TIMEOUT = 3  # seconds: FC's own, and that of the component fc3
_UNKNOWN = "${"  # begins what only Serverless Devs can fill in


class Deployed(NamedTuple):
    """One function that a file deploys by the component fc3.

    ``props`` are its settings, and ``locations`` says where each stands, under its dotted name.
    """

    file: str
    name: str
    props: dict[str, Any]
    locations: dict[str, Location]

    def get(self, dotted: str) -> Any:
        """Return a setting, None if it is not set or only Serverless Devs can tell it."""
        value: Any = self.props
        for key in dotted.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return None if isinstance(value, str) and _UNKNOWN in value else value

    def number(self, dotted: str, default: int) -> int | None:
        """Return a setting that is a number, ``default`` if it is not set, None if unknown."""
        value: Any = self.props.get(dotted, default)
        return value if isinstance(value, int) else None

    @property
    def timeout(self) -> int | None:
        """Seconds until FC ends a call, None if unknown."""
        return self.number("timeout", _DEFAULT_TIMEOUT)

    def problem(self, dotted: str, what: str) -> Problem:
        """Return a problem at a setting, or at the nearest place that the file has."""
        known = [key for key in (dotted, "functionName") if key in self.locations]
        place = self.locations[known[0] if known else ""]
        return Problem(self.file, *place, f"{self.name}.{dotted}" if dotted else self.name, what)


def find(config_file: str) -> str:
    """Return the ``s.yaml`` beside a configuration, or beside its folder; empty if none is."""
    folder = os.path.dirname(config_file)
    for near in dict.fromkeys([folder, os.path.normpath(os.path.join(folder, "..")), ""]):
        for name in NAMES:
            path = os.path.normpath(os.path.join(near, name))
            if os.path.isfile(path):
                return path
    return ""


def image(config_file: str, known: Container[str]) -> str:
    """Return the one of the known images that ``s.yaml`` runs functions on, empty if none.

    Raises:
        ConfigError: the file cannot be read, or has functions on several.
    """
    file = find(config_file)
    deployed, problems = read(file) if file else ([], [])
    if problems:
        raise ConfigError(problems, "  fix: correct it, or give --image")
    found = [each for each in deployed if str(each.get("runtime")) in known]
    for other in found[1:]:
        if other.get("runtime") != found[0].get("runtime"):
            raise _two_images(found[0], other)
    return str(found[0].get("runtime")) if found else ""


def _two_images(first: Deployed, other: Deployed) -> ConfigError:
    place = other.locations.get("runtime", (0, 0))
    what = (
        f"'{first.name}' has {first.get('runtime')}, and '{other.name}' {other.get('runtime')}: "
        "a package is for one image"
    )
    advice = "  fix: build one package for each, with --image and --function"
    return ConfigError([Problem(first.file, *place, "", what)], advice)


def read(file: str) -> tuple[list[Deployed], list[Problem]]:
    """Return the functions that a file deploys, and what keeps it from being read."""
    try:
        with open(file, encoding="utf-8") as stream:
            return parse(stream.read(_MAX_SIZE), file), []
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return [], [Problem(file, *place, "", f"cannot be read: {error.problem}")]
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        what = str(error).partition("\n")[0]
        return [], [Problem(file, 0, 0, "", f"cannot be read: {what or type(error).__name__}")]


def parse(text: str, file: str) -> list[Deployed]:
    """Return the functions that the text of a file deploys.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return list(_functions(file, yaml.compose(text, Loader=yaml.SafeLoader)))


def _functions(file: str, root: Any) -> Iterator[Deployed]:
    for key, resource in _items(_child(root, "resources")):
        component, props = _child(resource, "component"), _child(resource, "props")
        if not (_is_fc3(component) and isinstance(props, yaml.MappingNode)):
            continue
        locations: dict[str, Location] = {"": _location(props)}
        values = _plain(props, "", locations, 0)
        name = values.get("functionName")
        if isinstance(name, str) and _UNKNOWN not in name:
            yield Deployed(file, name, values, locations)
        elif name is None:
            yield Deployed(file, key, values, locations)


def _is_fc3(component: Any) -> bool:
    named = component.value if isinstance(component, yaml.ScalarNode) else ""
    return named.partition("@")[0] == "fc3"


def _plain(node: Any, at: str, locations: dict[str, Location], depth: int) -> Any:
    """Return a node's mappings and plain values; what stands deeper is left out."""
    if isinstance(node, yaml.MappingNode) and depth < 4:
        values = {}
        for key_node, value in node.value:
            key = str(key_node.value)
            inner = f"{at}.{key}" if at else key
            locations[inner] = _location(key_node)
            values[key] = _plain(value, inner, locations, depth + 1)
        return values
    if isinstance(node, yaml.ScalarNode):
        if node.tag == "tag:yaml.org,2002:int" and node.value.isdigit():
            return int(node.value)
        return node.value
    return ""


def _items(node: Any) -> list[tuple[str, Any]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value]


def _child(node: Any, key: str) -> Any:
    return dict(_items(node)).get(key)


def _location(node: Any) -> Location:
    return Location(node.start_mark.line + 1, node.start_mark.column + 1)
