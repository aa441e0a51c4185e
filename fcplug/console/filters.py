"""Which invocations a page lists, and which part of them."""

from collections.abc import Sequence
from typing import NamedTuple, get_args
from urllib.parse import urlencode

import falcon

from fcplug.platform.model import Call, Invocation

ROWS = 50  # of a page
ALL = 1_000_000  # more than a history keeps
KINDS: Sequence[str] = get_args(Call.__annotations__["kind"])
OUTCOMES = ("succeeded", "failed", "running")
_SEARCHED = 2048  # bytes of each event, answer and log in which a text is looked for


class Filter(NamedTuple):
    """What is asked for; an empty field asks for nothing. ``before`` is a number, 0 for the end."""

    function: str = ""
    outcome: str = ""
    kind: str = ""
    text: str = ""
    before: int = 0

    @classmethod
    def of(cls, request: falcon.Request) -> "Filter":
        """Return what the query of a request asks for."""
        before = request.get_param("before") or ""
        return cls(
            function=request.get_param("function") or "",
            outcome=request.get_param("outcome") or "",
            kind=request.get_param("kind") or "",
            text=request.get_param("text") or "",
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else 0,
        )

    def query(self, before: int = 0) -> str:
        """Return the query of a link to the same filter, at a place of its own."""
        values = {**self._asdict(), "before": before}
        return urlencode({name: value for name, value in values.items() if value})

    def matches(self, invocation: Invocation) -> bool:
        """Return whether an invocation is asked for."""
        if self.kind and invocation.call.kind != self.kind:
            return False
        if self.outcome and outcome_of(invocation) != self.outcome:
            return False
        return not self.text or _has(invocation, self.text.lower())


class Window(NamedTuple):
    """One page of a list; ``newer`` and ``older`` are where its neighbours begin, None if none."""

    rows: Sequence[Invocation]
    total: int
    first: int
    newer: int | None
    older: int | None


def window(invocations: Sequence[Invocation], chosen: Filter) -> Window:
    """Return the part of the invocations, newest first, that a filter asks for."""
    found = [each for each in invocations if chosen.matches(each)]
    start = 0
    if chosen.before:
        start = next((i for i, each in enumerate(found) if each.number < chosen.before), len(found))
    rows = found[start : start + ROWS]
    newer = None
    if start:
        newer = found[start - ROWS].number + 1 if start > ROWS else 0
    older = rows[-1].number if start + ROWS < len(found) else None
    return Window(rows, len(found), start, newer, older)


def outcome_of(invocation: Invocation) -> str:
    """Return one of ``OUTCOMES``."""
    if invocation.outcome is None:
        return "running"
    return "succeeded" if invocation.outcome.succeeded else "failed"


def _has(invocation: Invocation, text: str) -> bool:
    call, outcome = invocation.call, invocation.outcome
    words = [call.request_id, call.function, call.target]
    parts = [call.payload[:_SEARCHED]]
    if outcome is not None:
        words += [outcome.error_type or "", outcome.code, outcome.message, outcome.instance_id]
        parts += [outcome.body[:_SEARCHED], outcome.log[-_SEARCHED:]]
    if any(text in word.lower() for word in words):
        return True
    return any(text in part.decode("utf-8", "replace").lower() for part in parts)
