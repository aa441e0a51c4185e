"""One recorded request with its answer, as a line of JSON."""

import base64
import binascii
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Literal, TypedDict

import msgspec

from fcplug.errors import FcplugError
from fcplug.platform.model import Call, Invocation, Outcome

Fields = Sequence[tuple[str, str]]
Kind = Literal["sync", "http", "async", "timer", "oss"]


class InvalidRecord(FcplugError):  # noqa: N818 - it is the record that is invalid
    """A line of a file is not a recorded request."""


class Request(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What was sent: the event, or a web request, which has a method and a target."""

    method: str = ""
    target: str = ""
    headers: Fields = ()
    body: str = ""
    body_base64: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return _content(self.body, self.body_base64)


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What came back, as the caller of Function Compute's API sees it.

    Attributes:
        status: 200 of an event, also if the function failed; of a web request its own.
        error_type: what kind of failure, empty if the function succeeded.
        code, message: Function Compute's own error, if it could not run the call.
        cut: only the beginning of the body is here.
    """

    status: int = 200
    error_type: str = ""
    code: str = ""
    message: str = ""
    milliseconds: float = 0.0
    headers: Fields = ()
    body: str = ""
    body_base64: str = ""
    cut: bool = False

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return _content(self.body, self.body_base64)


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A request and its answer.

    Attributes:
        version: of this format.
        at: when it began, in UTC.
        function: that was called, by its name on Function Compute.
        removed: where credentials were taken out.
    """

    version: Literal[1]
    at: str
    function: str
    qualifier: str = "LATEST"
    kind: Kind = "sync"
    request_id: str = ""
    request: Request = Request()
    answer: Answer = Answer()
    removed: Sequence[str] = ()


class Body(TypedDict, total=False):
    """The fields of a body: one of the two, or none if it is empty."""

    body: str
    body_base64: str


def body_of(content: bytes) -> Body:
    """Return the fields of a body: text if it is UTF-8, else base64."""
    try:
        return {"body": content.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(content).decode()}


def _content(text: str, coded: str) -> bytes:
    return base64.b64decode(coded) if coded else text.encode()


def of_invocation(invocation: Invocation) -> Record:
    """Return what a call that has ended sent and got."""
    call, outcome = invocation.call, invocation.outcome or Outcome()
    began = outcome.started or time.time()  # the call never reached an instance
    at = datetime.fromtimestamp(began, timezone.utc).isoformat(timespec="milliseconds")
    return Record(
        version=1,
        at=at.replace("+00:00", "Z"),
        function=call.function,
        qualifier=call.qualifier,
        kind=call.kind,
        request_id=call.request_id,
        request=_request(call),
        answer=of_outcome(outcome),
    )


def _request(call: Call) -> Request:
    fields = tuple(call.headers)
    return Request(call.method, call.target, fields, **body_of(call.payload))


def of_outcome(outcome: Outcome) -> Answer:
    """Return an answer as the platform remembers it."""
    return Answer(
        status=outcome.status,
        error_type=outcome.error_type or "",
        code=outcome.code,
        message=outcome.message,
        milliseconds=outcome.duration_ms,
        headers=tuple(outcome.headers),
        cut=outcome.cut,
        **body_of(outcome.body),
    )


def encode(record: Record) -> bytes:
    """Return a record as one line of JSON with its end."""
    return msgspec.json.encode(record) + b"\n"


def decode(line: bytes) -> Record:
    """Return the record of a line.

    Raises:
        InvalidRecord: it is none.
    """
    try:
        record = msgspec.json.decode(line, type=Record)
        for each in (record.request, record.answer):
            base64.b64decode(each.body_base64, validate=True)
    except msgspec.MsgspecError as error:
        raise InvalidRecord(str(error)) from None
    except binascii.Error as error:
        raise InvalidRecord(f"a body is not base64: {error}") from None
    return record
