"""What the API of the local platform answers: outcomes, and errors that every SDK understands."""

import base64
import math
from collections.abc import Sequence

import msgspec

from fcplug import protocol
from fcplug.errors import FcplugError
from fcplug.platform import headers
from fcplug.platform.model import LOG_TAIL, Call, FunctionConfig, Outcome

Fields = list[tuple[str, str]]


class ApiError(FcplugError):
    """The API refuses a request, or could not run a call: FC's HTTP status, code and text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class Answer(msgspec.Struct, frozen=True):
    """One answer of the API, before Falcon sends it."""

    status: int
    body: bytes
    fields: Sequence[tuple[str, str]] = ()


def of_error(error: ApiError, request_id: str) -> Answer:
    """Return an error as JSON with the names of all versions of the API: each SDK reads its own."""
    message = str(error)
    document = {
        "RequestId": request_id,
        "Code": error.code,
        "Message": message,
        "ErrorCode": error.code,
        "ErrorMessage": message,
    }
    fields = [(protocol.REQUEST_ID, request_id), ("content-type", protocol.ERROR_TYPE)]
    return Answer(error.status, msgspec.json.encode(document), fields)


def of_document(document: object, request_id: str) -> Answer:
    """Return JSON that the API was asked for."""
    fields = [(protocol.REQUEST_ID, request_id), ("content-type", protocol.ERROR_TYPE)]
    return Answer(200, msgspec.json.encode(document), fields)


def of_call(function: FunctionConfig, call: Call, outcome: Outcome, *, tail: bool) -> Answer:
    """Return the outcome of a synchronous call. ``tail``: with the end of its log.

    Raises:
        ApiError: FC could not run the call, or a web function sent too many headers.
    """
    if outcome.code:
        status = outcome.status if outcome.status >= 400 else 500
        raise ApiError(status, outcome.code, outcome.message)
    fields = _facts(call, outcome)
    if tail:
        log = log_tail(function, outcome)
        fields.append((protocol.LOG_RESULT, base64.b64encode(log).decode()))
    if call.method:
        return _web(outcome, fields)
    kind = protocol.ERROR_TYPE if outcome.error_type else protocol.EVENT_TYPE
    names = ",".join(["Date", *(name for name, _ in fields)])
    fields += [("content-type", kind), ("access-control-expose-headers", names)]
    return Answer(200, outcome.body, fields)


def of_head(call: Call, head: Outcome) -> Answer:
    """Return the head of a web answer whose body follows: what FC measures is not known yet."""
    own = headers.returned(head.headers)
    facts = [(protocol.REQUEST_ID, call.request_id), (protocol.SERVICE_VERSION, call.qualifier)]
    return Answer(head.status, b"", [*own, *facts])


def _facts(call: Call, outcome: Outcome) -> Fields:
    fields = [
        (protocol.REQUEST_ID, call.request_id),
        (protocol.INVOCATION_DURATION, f"{outcome.duration_ms:.2f}"),
        (protocol.MAX_MEMORY_USAGE, f"{outcome.memory_mb:.2f}"),
        (protocol.SERVICE_VERSION, call.qualifier),
    ]
    if outcome.instance_id:
        fields.append((protocol.INSTANCE_ID, outcome.instance_id))
    if outcome.error_type:
        fields.append((protocol.FUNCTION_ERROR, outcome.error_type))
    return fields


def _web(outcome: Outcome, fields: Fields) -> Answer:
    own = headers.returned(outcome.headers)
    if headers.size(own) > protocol.MAX_RESPONSE_FIELDS:
        raise ApiError(
            502,
            "BadResponse",
            f"the headers of the function's response have {headers.size(own)} bytes, and "
            f"{protocol.MAX_RESPONSE_FIELDS} are allowed: send fewer or shorter headers",
        )
    return Answer(outcome.status, outcome.body, [*own, *fields])


def log_tail(function: FunctionConfig, outcome: Outcome) -> bytes:
    """Return the last 4 KB of a call's log, with the line that FC adds to it."""
    line = (
        f"\nDuration: {outcome.duration_ms:.2f} ms, "
        f"Billed Duration: {math.ceil(outcome.duration_ms)} ms, "
        f"Memory Size: {function.memory} MB, Max Memory Used: {outcome.memory_mb:.2f} MB\n"
    ).encode()
    return (outcome.log + line)[-LOG_TAIL:]
