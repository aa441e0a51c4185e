"""Which function answers: from a call to the name of a function."""

import fnmatch
import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.routes import RouteEntry
from fcplug.context import Context
from fcplug.errors import UnknownFunction, did_you_mean

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from fcplug.runtime.content import Condition, Content, ContentOf

log = logging.getLogger("fcplug")

_MOST_REPORTED = 100  # unknown names; callers may make up any number of them


HEADERS = {
    "function": protocol.FUNCTION_NAME,
    "handler": protocol.FUNCTION_HANDLER,
    "qualifier": protocol.QUALIFIER,
}
"""The header that holds a name of a call, by the key of ``match``."""


class Rule(NamedTuple):
    """A route, compiled: the headers to match, and the functions with running weights.

    ``conditions`` are about the rest of a call; only a call whose names match is asked for them.
    """

    wanted: tuple[tuple[str, re.Pattern[str]], ...]
    targets: tuple[tuple[str, int], ...]
    conditions: "tuple[Condition, ...]" = ()

    def matches(self, context: Context) -> bool:
        """Return whether the names of a call match all patterns of the route."""
        return all(pattern.fullmatch(context.header(name)) for name, pattern in self.wanted)


class Router:
    """Names the function that answers a call.

    It tries the routes in order, then the function of the call's name, then of its handler, then
    the default. With a single function, a call that names none needs no default. Without routes
    the cost is one look-up for any number of functions.
    """

    def __init__(self, config: Config) -> None:
        self._rules = rules(config)
        self._content_of: ContentOf | None = None
        if any(rule.conditions for rule in self._rules):
            from fcplug.runtime import content  # noqa: PLC0415 - few configurations need it

            self._content_of = content.reader(rule.conditions for rule in self._rules)
        self._functions: Mapping[str, object] = config.functions
        self._default = config.default
        self._alone = next(iter(config.functions)) if len(config.functions) == 1 else None
        self._reported: dict[str, object] = {}
        if config.routes:
            from fcplug.runtime.unreachable import unreachable  # noqa: PLC0415 - few have routes

            for problem in unreachable(config):
                log.warning("%s", problem)

    @property
    def reads_content(self) -> bool:
        """Whether some route asks for more than the names of a call."""
        return self._content_of is not None

    def resolve(
        self,
        context: Context,
        event: bytes | None = None,
        request: "WSGIEnvironment | None" = None,
    ) -> str:
        """Return the name of the function that answers.

        Args:
            context: of the call.
            event: the event; None for web requests and lifecycle calls, which have none.
            request: the web request; None for all other calls.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        if not self._rules:  # the quick way: most calls name their function
            name = context.header(protocol.FUNCTION_NAME)
            if name in self._functions:
                return name
        content = self._content_of(context, event, request) if self._content_of else None
        targets = self._targets(context, content)
        if len(targets) == 1:
            return targets[0][0]
        return pick(targets, context.request_id)

    def candidates(self, context: Context) -> list[str]:
        """Return every function that may answer calls with these names, whatever else they hold.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        names: dict[str, None] = {}
        for rule in self._rules:
            if rule.matches(context):
                if not rule.conditions:
                    break
                names.update((name, None) for name, _ in rule.targets)
        try:
            names.update((name, None) for name, _ in self._targets(context, None))
        except UnknownFunction:
            if not names:
                raise
        return list(names)

    def _targets(self, context: Context, content: "Content | None") -> tuple[tuple[str, int], ...]:
        for rule in self._rules:
            if rule.matches(context) and (
                not rule.conditions or (content and content.meets(rule.conditions))
            ):
                return rule.targets
        name = context.header(protocol.FUNCTION_NAME)
        if name in self._functions:
            return ((name, 1),)
        handler = context.header(protocol.FUNCTION_HANDLER)
        if handler in self._functions:
            return ((handler, 1),)
        asked = name or handler
        if self._default is not None:
            if asked and asked not in self._reported:
                self._report(asked, self._default)
            return ((self._default, 1),)
        if self._alone is not None and not asked:
            return ((self._alone, 1),)
        raise UnknownFunction(name, handler, self._functions)

    def _report(self, asked: str, default: str) -> None:
        """Warn once that a name is unknown and that the default answers in its place."""
        # setdefault is atomic: of two calls at once one warns
        mine = object()
        if (
            len(self._reported) > _MOST_REPORTED
            or self._reported.setdefault(asked, mine) is not mine
        ):
            return
        if len(self._reported) > _MOST_REPORTED:
            log.warning("more unknown functions are asked for; '%s' answers, unreported", default)
            return
        log.warning(
            "no function %a%s: '%s' answers in its place, as the default in functions.yaml",
            asked[:200],
            did_you_mean(asked, self._functions),
            default,
        )


def rules(config: Config) -> list[Rule]:
    """Return the routes of a configuration, ready to be asked."""
    return [_rule(route) for route in config.routes]


def _rule(route: RouteEntry) -> Rule:
    weights = {route.to: 1} if isinstance(route.to, str) else route.to
    running = 0
    targets = []
    for name, weight in weights.items():
        if weight:
            running += weight
            targets.append((name, running))
    wanted = tuple((HEADERS[key], _pattern(texts)) for key, texts in route.match.names.items())
    if not route.match.content:
        return Rule(wanted, tuple(targets))
    from fcplug.runtime import content  # noqa: PLC0415 - most configurations have no such route

    return Rule(wanted, tuple(targets), content.conditions(route.match))


def _pattern(texts: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, texts)))


def pick(targets: tuple[tuple[str, int], ...], request_id: str) -> str:
    """Return the one of several functions that answers a request, and each of its retries."""
    number = ticket(request_id) % targets[-1][1]
    return next(name for name, below in targets if number < below)


def ticket(request_id: str, purpose: str = "") -> int:
    """Return a number that a retry of the same request gets again, in any process.

    The numbers for two purposes have nothing to do with each other.
    """
    import hashlib  # noqa: PLC0415 - OpenSSL, needed for weighted routes and shadows only

    salt = purpose.encode()
    return int.from_bytes(
        hashlib.blake2b(request_id.encode(), digest_size=8, salt=salt).digest(), "big"
    )
