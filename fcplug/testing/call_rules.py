"""The rules of a handler's calls, tried in this process."""

import itertools
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from fcplug.errors import InvalidResult, PluginError
from fcplug.hookspecs import hookimpl
from fcplug.result import causes_of, message_of, summary
from fcplug.testing.answers import Answer
from fcplug.testing.contexts import make_context
from fcplug.testing.runner import Runner

if TYPE_CHECKING:
    from typing_extensions import Self

Broken = tuple[str, str, str]

_OVERLAPPING = 50
_DISTINCT = 5  # events, if they are made by a function
_SWITCH = 1e-5  # seconds that a thread runs before another may: races show sooner


class Events:
    """The events that a handler is sent: ``_DISTINCT`` of them, which may all be the same."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def attempts(self) -> list[list[Any]]:
        """Return what to try: the first list that the handler accepts counts."""
        if self._given is None:
            return [[f"event {number}" for number in range(_DISTINCT)], [b""] * _DISTINCT]
        if callable(self._given):
            return [[self._given(number) for number in range(_DISTINCT)]]
        return [[self._given] * _DISTINCT]


class _Call(NamedTuple):
    request_id: str
    answer: Answer

    @property
    def body(self) -> bytes:
        """What was answered, whatever the request id."""
        return self.answer.body.replace(self.request_id.encode(), b"{request id}")


class CallsHung(Exception):  # noqa: N818 - it is what was found
    """Some of the calls that were made at once have not ended in time."""


class _PlannedError(Exception):
    """Makes an initialize hook fail that did not."""


class _FailOnce:
    """A middleware that makes the first initialize fail, after the handler's own was done."""

    def __init__(self) -> None:
        self._failed = False

    @hookimpl(wrapper=True)
    def initialize(self) -> Iterator[None]:
        result = yield
        if not self._failed:
            self._failed = True
            raise _PlannedError("the check makes initialize fail once")
        return result


class CallRules:
    """Tries a handler by calls in this process.

    Methods raise CallsHung if calls take longer than ``limit`` seconds.

    Attributes:
        accepted: the events that it accepts.
    """

    def __init__(
        self, handler: Any, events: Events, options: Mapping[str, Any], limit: float
    ) -> None:
        self.accepted: list[Any] = []
        self._handler = handler
        self._events = events
        self._options = options
        self._limit = limit
        self._runner = Runner(log_level="DEBUG")
        self._secrets = {
            name: f"{name.replace('_', '-')}-{secrets.token_hex(12)}"
            for name in ("access_key_id", "access_key_secret", "security_token")
        }
        self._records = _Records()
        self._calls: list[_Call] = []
        self._expected: list[bytes | None] = []

    def __enter__(self) -> "Self":
        logging.getLogger().addHandler(self._records)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._records)
        self._runner.close()

    def loads(self) -> Broken | None:
        """Load the handler."""
        for events in self._events.attempts():
            self.accepted = events
            answer = self._call(events[0]).answer
            if isinstance(answer.error, PluginError):
                what, _, rest = str(answer.error).partition("\n  fix: ")
                return "it loads", what, rest or "correct what the error names"
            if answer.error is None:
                return None
        return None

    def answers(self) -> Broken | None:
        """Send each event twice, one after the other, and note what is answered alone."""
        for event in self.accepted:
            first, second = self._call(event), self._call(event)
            error = second.answer.error if first.answer.error is None else first.answer.error
            if isinstance(error, InvalidResult):
                what, _, fix = message_of(error).partition("; ")
                fix = fix or message_of(error).rpartition(": ")[2]
                return "its results can be sent", what, fix
            if error is not None:
                what = f"it answers the event {_short(event)} with {summary(error)}"
                return "it answers", what, "give the check an event that it accepts: event=..."
            same = first.body == second.body
            self._expected.append(first.body if same else None)
        return None

    def overlapping_calls_get_their_own(self) -> Iterator[Broken]:
        """Call it on 50 threads at once; each must get what the same event got alone."""
        calls = self._overlapping()
        failed = [summary(call.answer.error) for call in calls if call.answer.error is not None]
        rule = "overlapping calls get their own answers"
        fix = (
            "keep what belongs to a call in local variables, not in the module or in self; "
            "guard what calls share with a lock"
        )
        if failed:
            what = f"{len(failed)} of {_OVERLAPPING} overlapping calls failed, and none alone"
            yield rule, f"{what}: {failed[0]}", fix
        ids = [call.request_id for call in calls]
        mixed = sum(
            call.answer.error is None
            and (
                self._expected[number % len(self.accepted)] not in (None, call.body)
                or any(other.encode() in call.body for other in ids)
            )
            for number, call in enumerate(calls)
        )
        if mixed:
            what = f"{mixed} of {_OVERLAPPING} overlapping calls were answered otherwise than alone"
            yield rule, what, fix

    def initializes_again(self) -> Iterator[Broken]:
        """Let initialize fail once, after the handler's hook was done, and call the handler."""
        given = self._options.get("middleware", ())
        options = {**self._options, "middleware": [_FailOnce(), *given]}
        self._call(self.accepted[0], options)
        error = self._call(self.accepted[0], options).answer.error
        if error is not None:
            what = f"the second time, initialize or the call after it failed: {summary(error)}"
            fix = "let initialize run twice on one object: the runtime calls it until it succeeds"
            yield "it initializes again after a failure", what, fix

    def shows_no_credentials(self) -> Iterator[Broken]:
        """Look for the credentials of the calls in everything that came of them."""
        answers = [call.answer for call in self._calls]
        errors = [text for answer in answers for text in causes_of(answer.error)]
        lines = [line for answer in answers for line in answer.log]
        places: list[tuple[str, list[str], str]] = [
            ("its result", [answer.body.decode("latin-1") for answer in answers], "leave them out"),
            ("its error", errors, "leave them out of the text"),
            ("the log", lines + self._records.messages, "log the request id, not the context"),
            ("the environment", [*os.environ.values()], "hand them to the client that needs them"),
        ]
        for place, texts, fix in places:
            shown = [
                name.replace("_", " ")
                for name, secret in self._secrets.items()
                if any(secret in text for text in texts)
            ]
            if shown:
                yield "it shows no credentials", f"{place} holds the {', '.join(shown)}", fix

    def _overlapping(self) -> list[_Call]:
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        try:
            return self._at_once(itertools.islice(itertools.cycle(self.accepted), _OVERLAPPING))
        finally:
            sys.setswitchinterval(before)

    def _call(self, event: Any, options: Mapping[str, Any] | None = None) -> _Call:
        return self._at_once([event], options)[0]

    def _at_once(
        self, events: Iterable[Any], options: Mapping[str, Any] | None = None
    ) -> list[_Call]:
        """Call the handler once for each event, on a thread each: one that hangs is left alone."""
        events = list(events)
        together = threading.Barrier(len(events))
        futures: list[Future[_Call]] = [Future() for _ in events]

        def call(event: Any, future: "Future[_Call]") -> None:
            together.wait()
            try:
                future.set_result(self._invoke(event, options))
            except BaseException as error:
                future.set_exception(error)

        for pair in zip(events, futures, strict=True):
            threading.Thread(target=call, args=pair, daemon=True).start()
        hung = wait(futures, self._limit).not_done
        if hung:
            which = "it" if len(events) == 1 else f"{len(hung)} of {len(events)} overlapping calls"
            raise CallsHung(f"{which} did not end within {self._limit:g} s")
        calls = [future.result() for future in futures]
        self._calls += calls
        return calls

    def _invoke(self, event: Any, options: Mapping[str, Any] | None) -> _Call:
        given: Any = self._options if options is None else options
        values: Any = self._secrets
        context = make_context(**values)
        answer = self._runner.invoke(self._handler, event, context=context, **given)
        return _Call(context.request_id, answer)


class _Records(logging.Handler):
    """Keeps the messages of records as the handler wrote them: the log masks credentials."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _short(event: Any) -> str:
    text = repr(event)
    return text if len(text) <= 100 else f"{text[:100]}..."
