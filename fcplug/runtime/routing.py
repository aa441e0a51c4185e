"""Which function answers: from the headers of a call to the name of a function."""

import fnmatch
import logging
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.model import MatchEntry, RouteEntry
from fcplug.context import Context
from fcplug.errors import Problem, UnknownFunction, did_you_mean

log = logging.getLogger("fcplug")

_MOST_REPORTED = 100  # unknown names; callers may make up any number of them
_WILDCARDS = "*?["


class Rule(NamedTuple):
    """A route, compiled: the headers to match, and the functions with running weights."""

    wanted: tuple[tuple[str, re.Pattern[str]], ...]
    targets: tuple[tuple[str, int], ...]

    def matches(self, context: Context) -> bool:
        """Return whether the headers of a call match all patterns of the route."""
        return all(pattern.fullmatch(context.header(name)) for name, pattern in self.wanted)


class Router:
    """Names the function that answers a call.

    It tries the routes in order, then the function of the call's name, then of its handler, then
    the default. With a single function, a call that names none needs no default. Without routes
    the cost is one look-up for any number of functions.
    """

    def __init__(self, config: Config) -> None:
        self._rules = rules(config)
        self._functions: Mapping[str, object] = config.functions
        self._default = config.default
        self._alone = next(iter(config.functions)) if len(config.functions) == 1 else None
        self._reported: dict[str, object] = {}
        for problem in unreachable(config):
            log.warning("%s", problem)

    def resolve(self, context: Context) -> str:
        """Return the name of the function that answers.

        Raises:
            UnknownFunction: no route, name or default leads to one.
        """
        if not self._rules:  # the quick way: most calls name their function
            name = context.header(protocol.FUNCTION_NAME)
            if name in self._functions:
                return name
        targets = self._targets(context)
        if len(targets) == 1:
            return targets[0][0]
        return pick(targets, context.request_id)

    def candidates(self, context: Context) -> list[str]:
        """Return every function that may answer calls with these headers, with any request id.

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
    return Rule(
        tuple(
            (name, re.compile(fnmatch.translate(text)))
            for name, text in patterns(route.match).items()
        ),
        tuple(targets),
    )


def patterns(match: MatchEntry) -> dict[str, str]:
    """Return the text that a match asks for, by the header that it looks at."""
    wanted = {
        protocol.FUNCTION_NAME: match.function,
        protocol.FUNCTION_HANDLER: match.handler,
        protocol.QUALIFIER: match.qualifier,
    }
    return {name: text for name, text in wanted.items() if text}


def unreachable(config: Config) -> Iterator[Problem]:
    """Yield each route that can never match, since an earlier one takes its calls."""
    wanted = [patterns(route.match) for route in config.routes]
    for index, special in enumerate(wanted):
        for earlier, general in enumerate(wanted[:index]):
            if all(_covers(text, special.get(name)) for name, text in general.items()):
                what = f"never matches: routes[{earlier}] comes first, and takes all of its calls"
                yield config.document.problem(("routes", index), what)
                break


def _covers(general: str, special: str | None) -> bool:
    """Return whether it is certain that a pattern matches all that another one does."""
    if not general.strip("*"):
        return True  # matches an absent header, too
    if special is None:
        return False
    if not any(char in special for char in _WILDCARDS):
        return fnmatch.fnmatchcase(special, general)
    prefix = general.removesuffix("*")
    is_prefix = prefix != general and not any(char in prefix for char in _WILDCARDS)
    return general == special or (is_prefix and special.startswith(prefix))


def pick(targets: tuple[tuple[str, int], ...], request_id: str) -> str:
    """Return the one of several functions that answers a request, and each of its retries."""
    ticket = _ticket(request_id) % targets[-1][1]
    return next(name for name, below in targets if ticket < below)


def _ticket(request_id: str) -> int:
    """Return a number that a retry of the same request gets again, in any process."""
    import hashlib  # noqa: PLC0415 - OpenSSL, needed for weighted routes only

    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "big")
