"""The variables of the environment that a configuration takes, and how ``s.yaml`` passes them."""

import re
from typing import Any

from fcplug.config import yaml_strict
from fcplug.config.interpolation import filled
from fcplug.config.location import Path

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")
_LITERAL = "$${"


class _Nothing(dict[str, str]):
    """An environment without variables, which keeps the names that have no default."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))  # asked only where there is no default
        return False


def required(text: str) -> list[str]:
    """Return the names of ``${NAME}`` without a default, sorted.

    Args:
        text: a configuration that can be read.
    """
    environ = _Nothing()

    def look(value: str) -> tuple[str, list[str]]:
        filled(value, environ)
        return value, []

    yaml_strict.read(text, look)
    return sorted(environ.asked)


def written(text: str) -> Any:
    """Return the values of a configuration as they are written, ``${NAME}`` included."""
    return yaml_strict.read(text, lambda value: (value, []))[0]


def reference(value: str) -> str | None:
    """Return a written value as Serverless Devs fills it in, None if it has no way to.

    ``${NAME:-x}`` becomes ``${env('NAME', 'x')}``. Serverless Devs cannot write ``${`` itself, nor
    a default with a quote or a line end.
    """
    if _LITERAL in value or re.search(r"[$][{]", _VARIABLE.sub("", value)):
        return None
    names = _VARIABLE.findall(value)
    if any(re.search(r"['\"\\\n]", default) for _, default in names):
        return None
    return _VARIABLE.sub(_referred, value)


def at(values: Any, path: Path) -> Any:
    """Return the value at a path, None if there is none."""
    for step in path:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _referred(match: re.Match[str]) -> str:
    name, default = match.groups()
    return f"${{env('{name}')}}" if default is None else f"${{env('{name}', '{default}')}}"
