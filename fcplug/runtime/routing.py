"""Who answers: the headers of a call and the configuration, to the name of a function."""

import fnmatch
import re
from collections.abc import Mapping
from typing import NamedTuple

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.model import RouteEntry
from fcplug.context import Context
from fcplug.errors import UnknownFunction


class _Rule(NamedTuple):
    """A route, ready to be asked: the headers to look at, and functions with running weights."""

    wanted: tuple[tuple[str, re.Pattern[str]], ...]
    targets: tuple[tuple[str, int], ...]

    def matches(self, context: Context) -> bool:
        return all(pattern.fullmatch(context.header(name)) for name, pattern in self.wanted)


class Router:
    """Names the function that answers a call.

    Routes in order, then the function of the call's name, then of its handler, then the default.
    Without routes the cost is one look-up however many functions there are.
    """

    def __init__(self, config: Config) -> None:
        self._rules = [_rule(route) for route in config.routes]
        self._functions: Mapping[str, object] = config.functions
        self._default = config.default

    def resolve(self, context: Context) -> str:
        """Return the name of the function that answers.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        targets = self._targets(context)
        if len(targets) == 1:
            return targets[0][0]
        ticket = _ticket(context.request_id) % targets[-1][1]
        return next(name for name, below in targets if ticket < below)

    def candidates(self, context: Context) -> list[str]:
        """Return every function that may answer calls with these headers, whatever their id.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        return [name for name, _ in self._targets(context)]

    def _targets(self, context: Context) -> tuple[tuple[str, int], ...]:
        for rule in self._rules:
            if rule.matches(context):
                return rule.targets
        name = context.header(protocol.FUNCTION_NAME)
        if name in self._functions:
            return ((name, 1),)
        handler = context.header(protocol.FUNCTION_HANDLER)
        if handler in self._functions:
            return ((handler, 1),)
        if self._default is not None:
            return ((self._default, 1),)
        raise UnknownFunction(name, handler, self._functions)


def _rule(route: RouteEntry) -> _Rule:
    match = route.match
    wanted = (
        (protocol.FUNCTION_NAME, match.function),
        (protocol.FUNCTION_HANDLER, match.handler),
        (protocol.QUALIFIER, match.qualifier),
    )
    weights = {route.to: 1} if isinstance(route.to, str) else route.to
    running = 0
    targets = []
    for name, weight in weights.items():
        running += weight
        targets.append((name, running))
    return _Rule(
        tuple((name, re.compile(fnmatch.translate(text))) for name, text in wanted if text),
        tuple(targets),
    )


def _ticket(request_id: str) -> int:
    """Return a number that a retry of the same request draws again, in whatever process."""
    import hashlib  # noqa: PLC0415 - OpenSSL, which only weighted routes need

    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "big")
