"""Recorded requests sent again: what is sent to, and what comes back."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from fcplug.recording import redaction
from fcplug.recording.comparison import Difference, compare
from fcplug.recording.ignored import Ignored
from fcplug.recording.record import Answer, Record, body_of


class Reply(NamedTuple):
    """What a request got.

    Attributes:
        function, plugin: which of the configuration answered; empty if unknown.
        request_id: of this call, if it is not the recorded one.
    """

    answer: Answer
    function: str = ""
    plugin: str = ""
    request_id: str = ""


class Target(Protocol):
    """What recorded requests are sent to, one after the other."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    def send(self, record: Record) -> Reply:
        """Send a request and wait for its answer; what goes wrong is in the answer."""

    def close(self) -> None:
        """End what the requests have begun."""


class Result(NamedTuple):
    """What became of one recorded request: two replies, and where they differ.

    ``before`` is the recorded answer, or the reply of the first target.
    """

    record: Record
    before: Reply
    after: Reply
    differences: Sequence[Difference]

    @property
    def moved(self) -> bool:
        """Whether another function, or another version of a plugin, answered."""
        before, after = self.before, self.after
        known = bool(before.function and after.function)
        return known and (before.function, before.plugin) != (after.function, after.plugin)


def results(
    records: Sequence[Record], before: Sequence[Reply], after: Sequence[Reply], ignored: Ignored
) -> Iterator[Result]:
    """Yield what became of each request."""
    for record, was, now in zip(records, before, after, strict=True):
        differences = compare(_comparable(record, was), _comparable(record, now), ignored)
        yield Result(record, was, now, differences)


def recorded(records: Sequence[Record]) -> Sequence[Reply]:
    """Return the recorded answers."""
    return [Reply(record.answer) for record in records]


def _comparable(record: Record, reply: Reply) -> Answer:
    """Return an answer as a recording has it: without credentials, with the recorded id."""
    answer = reply.answer
    if reply.request_id and record.request_id:
        old, new = reply.request_id.encode(), record.request_id.encode()
        content = answer.content.replace(old, new)
        answer = msgspec.structs.replace(
            answer, **{"body": "", "body_base64": "", **body_of(content)}
        )
    return redaction.of_answer(answer)[0]
