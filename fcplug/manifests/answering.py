"""The functions of a configuration that may answer the calls of one function of FC."""

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.runtime import routing


def answering(config: Config, name: str) -> list[FunctionSpec]:
    """Return all functions that may answer, for any version, alias, event or request.

    Args:
        config: its routes may lead elsewhere.
        name: of the function on FC, which is one of the configuration, and its handler.
    """
    found: dict[str, None] = {}
    for rule in routing.rules(config):
        if not all(_matches(header, pattern.fullmatch(name)) for header, pattern in rule.wanted):
            continue
        found.update(dict.fromkeys(target for target, _ in rule.targets))
        asks_for_more = any(header == protocol.QUALIFIER for header, _ in rule.wanted)
        if not asks_for_more and not rule.conditions:
            return [config.functions[each] for each in found]  # no later rule is tried
    found[name] = None
    return [config.functions[each] for each in found]


def _matches(header: str, match: object) -> bool:
    return header == protocol.QUALIFIER or bool(match)
