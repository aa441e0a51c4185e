"""The list of invocations, each of them, and their numbers over time."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import falcon
import msgspec

from fcplug.console import content, figures, filters
from fcplug.console.filters import ALL, Filter
from fcplug.console.pages import Pages
from fcplug.platform.model import Call, FunctionConfig, Invocation, Outcome, Platform

_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
_PARTS = ("event", "answer", "log")


class InvocationPages:
    """The resources about invocations."""

    def __init__(self, pages: Pages, platform: Platform) -> None:
        self._pages = pages
        self._platform = platform

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """List the invocations that a filter asks for, a page of them."""
        chosen = Filter.of(request)
        invocations = self._platform.invocations(chosen.function or None, limit=ALL)
        names = {*self._platform.functions, *filter(None, [chosen.function])}
        self._pages.send(
            response,
            "invocations.html",
            filter=chosen,
            window=filters.window(invocations, chosen),
            names=sorted(names),
            kinds=filters.KINDS,
            outcomes=filters.OUTCOMES,
        )

    def on_get_invocation(
        self, _request: falcon.Request, response: falcon.Response, number: int
    ) -> None:
        """Show one invocation: its event, answer and log."""
        invocation = self._find(number)
        call, outcome = invocation.call, invocation.outcome
        self._pages.send(
            response,
            "invocation.html",
            invocation=invocation,
            call=call,
            event=content.of_bytes(call.payload),
            fields=[(name, content.header_value(name, value)) for name, value in call.headers],
            opened=shown_outcome(self._platform, call, outcome, number) if outcome else None,
        )

    def on_get_part(
        self, _request: falcon.Request, response: falcon.Response, number: int, part: str
    ) -> None:
        """Send a whole event, answer or log: pictures to be drawn, all else to be saved."""
        invocation = self._find(number)
        outcome = invocation.outcome
        if part not in _PARTS or (outcome is None and part != "event"):
            raise falcon.HTTPNotFound(title="There is no such part")
        if outcome is None or part == "event":
            data = invocation.call.payload
        else:
            data = outcome.log if part == "log" else outcome.body
        if part == "log":
            for secret in secrets_of(self._platform.functions.get(invocation.call.function)):
                data = data.replace(secret.encode(), content.HIDDEN.encode())
        kind = content.image_type(data) if part != "log" else ""
        response.set_header("Content-Security-Policy", _SANDBOX)
        response.content_type = kind or "application/octet-stream"
        if not kind:
            response.downloadable_as = f"{part}-{number}.{'txt' if part == 'log' else 'bin'}"
        response.data = data

    def on_get_figures(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send the lines of the charts as JSON."""
        minutes = request.get_param_as_int("minutes", default=figures.MINUTES[1])
        if minutes not in figures.MINUTES:
            minutes = figures.MINUTES[1]
        function = request.get_param("function") or None
        invocations = self._platform.invocations(function, limit=ALL)
        lines = figures.series(invocations, time.time(), minutes)
        response.content_type = falcon.MEDIA_JSON
        response.data = msgspec.json.encode(lines._asdict())

    def _find(self, number: int) -> Invocation:
        for each in self._platform.invocations(limit=ALL):
            if each.number == number:
                return each
        raise falcon.HTTPNotFound(
            title="There is no such invocation",
            description=f"Number {number} is not kept: the platform keeps the latest 10,000 calls.",
        )


def shown_outcome(
    platform: Platform, call: Call, outcome: Outcome, number: int
) -> Mapping[str, Any]:
    """Return what a page shows of what came of a call."""
    function = platform.functions.get(call.function)
    body = outcome.message.encode() if outcome.code else outcome.body
    return {
        "number": number,
        "call": call,
        "outcome": outcome,
        "answer": content.of_bytes(body),
        "log": content.of_log(outcome.log, secrets_of(function)),
        "fields": [(name, content.header_value(name, value)) for name, value in outcome.headers],
        "memory": function.memory if function else None,
    }


def secrets_of(function: FunctionConfig | None) -> Sequence[str]:
    """Return the credentials of a function that no page may show."""
    if function is None or function.credentials is None:
        return ()
    return [each for each in function.credentials[1:] if each]
