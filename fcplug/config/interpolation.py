"""Fills in ``${NAME}`` and ``${NAME:-default}`` from the environment."""

import re
from collections.abc import Mapping

LONE_SURROGATE = "[\ud800-\udfff]"  # how Python shows a byte that is not UTF-8

# groups: "$" of "$${"; or the name and the default of ${NAME:-default}; or none: malformed
_VARIABLE = r"\$(?:(\$)\{|\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?)"


class FromEnvironment(str):
    """Text with a part from an environment variable; it may stand for a number."""

    __slots__ = ()


def filled(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a text with its variables filled in, and the problems of the others."""
    if "$" not in text:
        return text, []
    problems = []

    def value_of(match: re.Match[str]) -> str:
        escaped, name, default = match.groups()
        if escaped:
            return "${"
        if name is None:
            what = "malformed ${...}: write ${NAME} or ${NAME:-default}, and $${ for a plain ${"
        elif value := environ.get(name):
            return value
        elif default is not None:
            return default
        elif name in environ:
            return ""
        else:
            what = f"the environment has no {name}: set it, or give a default: ${{{name}:-...}}"
        problems.append(what)
        return ""

    result = re.sub(_VARIABLE, value_of, text)
    return (text if result == text else FromEnvironment(result)), problems
