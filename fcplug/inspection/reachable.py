"""The functions of a configuration that may answer the calls of one function of FC."""

import re

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.routes import RouteEntry
from fcplug.runtime import routing


def reachable(config: Config, function: str, handler: str = "") -> list[str]:
    """Return all functions that may answer, for any version, alias, event or request.

    Args:
        config: its routes may lead elsewhere.
        function: the name of the function on FC.
        handler: what FC calls its handler, empty if that is unknown.

    Returns:
        Names in the order in which they are tried; none if nothing answers.
    """
    given = {protocol.FUNCTION_NAME: function, protocol.FUNCTION_HANDLER: handler}
    found: dict[str, None] = {}
    for rule, route in zip(routing.rules(config), config.routes, strict=True):
        if all(_may_match(given.get(header), pattern) for header, pattern in rule.wanted):
            found.update(dict.fromkeys(name for name, _ in rule.targets))
            if _takes_all(rule, route):
                return list(found)
    last = next((name for name in (function, handler) if name in config.functions), config.default)
    if last is not None:
        found[last] = None
    return list(found)


def _may_match(value: str | None, pattern: re.Pattern[str]) -> bool:
    return value is None or bool(pattern.fullmatch(value))  # None: of a version or alias


def _takes_all(rule: routing.Rule, route: RouteEntry) -> bool:
    """Return whether a route leaves no call with its names to later rules."""
    qualifiers = route.match.names.get("qualifier", ("*",))
    return not rule.conditions and any(not each.strip("*") for each in qualifiers)
