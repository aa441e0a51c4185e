"""Why a function answers: each rule that is tried for a call, and what came of it."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.routes import RouteEntry
from fcplug.context import Context
from fcplug.errors import Problem, UnknownFunction
from fcplug.runtime import routing
from fcplug.runtime.content import reader

By = Literal["route", "name", "handler", "default", "only", ""]


class Question(NamedTuple):
    """What a call carries; empty texts count as absent, as FC sends them.

    A call with a path or a method is a web request; each other call is one of an event.
    """

    function: str = ""
    handler: str = ""
    qualifier: str = ""
    request_id: str = ""
    headers: Mapping[str, str] = {}
    event: bytes | None = None
    path: str = ""
    method: str = ""

    @property
    def is_web(self) -> bool:
        """Whether the call is a web request."""
        return bool(self.path or self.method)


class Step(NamedTuple):
    """One rule that was tried: what it asks for, whether the call meets it, and why (not).

    ``place`` is the rule's in ``functions.yaml``, None for rules that are always there.
    """

    rule: str
    matched: bool
    why: str
    place: Problem | None = None


class Answer(NamedTuple):
    """Who answers a call.

    Attributes:
        steps: the rules, in the order in which they are tried, up to the one that decides.
        by: the kind of rule that decides.
        weights: the functions that may answer, and how many of all request ids each gets.
        chosen: the one that answers this call, empty if that depends on a request id.
        failure: why none does.
    """

    steps: tuple[Step, ...]
    by: By = ""
    weights: Mapping[str, int] = {}
    chosen: str = ""
    failure: UnknownFunction | None = None


def explain(config: Config, question: Question) -> Answer:
    """Return which function answers a call, and each rule that was tried."""
    steps: list[Step] = []
    context = _context(question)
    rules = routing.rules(config)
    content = reader(rule.conditions for rule in rules)(
        context, None if question.is_web else question.event or b"", _request(question)
    )
    for index, (rule, route) in enumerate(zip(rules, config.routes, strict=True)):
        missed = [*_missed(rule, route, context)] or [
            *map(content.why, content.unmet(rule.conditions))
        ]
        place = config.document.problem(("routes", index), "")
        why = ", ".join(missed) or "it matches"
        steps.append(Step(f"routes[{index}]", not missed, why, place))
        if not missed:
            targets = route.to if isinstance(route.to, dict) else {route.to: 1}
            weights = {name: weight for name, weight in targets.items() if weight}
            return Answer(tuple(steps), "route", weights, _chosen(rule, question))
    return _without_routes(config, question, steps)


def _context(question: Question) -> Context:
    names = {
        protocol.FUNCTION_NAME: question.function,
        protocol.FUNCTION_HANDLER: question.handler,
        protocol.QUALIFIER: question.qualifier,
        protocol.REQUEST_ID: question.request_id,
    }
    sent = {name.lower(): value for name, value in question.headers.items()}
    return Context.from_headers({**sent, **{key: text for key, text in names.items() if text}}, {})


def _request(question: Question) -> dict[str, str] | None:
    if not question.is_web:
        return None
    path = unquote_to_bytes((question.path or "/").partition("?")[0]).decode("latin-1")
    return {"PATH_INFO": path, "REQUEST_METHOD": question.method or "GET"}


def _missed(rule: routing.Rule, route: RouteEntry, context: Context) -> Iterator[str]:
    """Yield which names of a call do not match a route, and why."""
    for (word, wanted), (header, pattern) in zip(
        route.match.names.items(), rule.wanted, strict=True
    ):
        given = context.header(header)
        if not pattern.fullmatch(given):
            asked = " or ".join(wanted)
            yield (
                f"{word} '{given}' is not {asked}" if given else f"no {word} (it asks for {asked})"
            )


def _chosen(rule: routing.Rule, question: Question) -> str:
    if len(rule.targets) == 1:
        return rule.targets[0][0]
    request_id = _context(question).request_id  # one that FC would not send is replaced
    return routing.pick(rule.targets, request_id) if question.request_id else ""


def _without_routes(config: Config, question: Question, steps: list[Step]) -> Answer:
    kinds: tuple[tuple[By, str], ...] = (("name", question.function), ("handler", question.handler))
    for by, name in kinds:
        known = name in config.functions
        word = "function name" if by == "name" else by
        why = f"there is a function '{name}'" if known else f"there is no function '{name}'"
        steps.append(Step(word, known, why if name else "the call has none"))
        if known:
            return Answer(tuple(steps), by, {name: 1}, name)
    if config.default is not None:
        place = config.document.problem(("default",), "")
        steps.append(Step("default", True, f"it is '{config.default}'", place))
        return Answer(tuple(steps), "default", {config.default: 1}, config.default)
    steps.append(Step("default", False, "functions.yaml has none"))
    asked = question.function or question.handler
    if len(config.functions) == 1 and not asked:
        only = next(iter(config.functions))
        steps.append(Step("only function", True, "the call names none, and there is one only"))
        return Answer(tuple(steps), "only", {only: 1}, only)
    failure = UnknownFunction(question.function, question.handler, config.functions)
    return Answer(tuple(steps), failure=failure)
