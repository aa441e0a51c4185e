"""What Function Compute sends to a runtime, and what it makes of the answer."""

from fcplug import protocol
from fcplug.platform import failures, headers
from fcplug.platform.connection import Message, Reply
from fcplug.platform.model import Call, Client, FunctionConfig, Outcome
from fcplug.protocol import Phase

_COLLECTED = 64 * 1024  # bytes of an answer that is sent as a whole, with what FC measured


def message(function: FunctionConfig, call: Call, phase: Phase, port: int) -> Message:
    """Return what FC sends to the runtime for a call or a hook."""
    of_fc = headers.of_platform(function, call, phase)
    if phase is Phase.WEB:
        fields = headers.passed_on(call.headers)
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("host", f"127.0.0.1:{port}"))
        method, target = call.method, call.target
    else:
        fields = headers.of_event(port)
        method = "POST" if phase in (Phase.INVOKE, Phase.INITIALIZE) else "GET"
        target = phase.path
        if phase is Phase.INVOKE:
            fields.append(("content-type", protocol.EVENT_TYPE))
    if call.payload or method in ("POST", "PUT", "PATCH"):
        fields.append(("content-length", str(len(call.payload))))
    return Message(method, target, [*fields, *of_fc], call.payload)


def outcome(reply: Reply, *, web: bool) -> Outcome:
    """Return what FC makes of an answer. ``x-fc-status`` alone decides whether it is a failure."""
    failed = reply.get(protocol.STATUS) not in ("", "200")
    error_type = failures.UNHANDLED if failed else None
    if not web:  # status and headers are lost
        return Outcome(body=reply.body, error_type=error_type)
    if headers.size(reply.fields) > protocol.MAX_RESPONSE_FIELDS:
        limit = protocol.MAX_RESPONSE_FIELDS
        return failures.bad_response(f"its headers have more than {limit} bytes")
    return Outcome(
        status=reply.status,
        body=reply.body,
        headers=headers.returned(reply.fields),
        error_type=error_type,
        cut=reply.cut,
    )


class Passing:
    """Passes a web answer on to its client as it comes, unless it is short or FC refuses it.

    Implements ``Receiver``. An event's answer is collected: its caller gets FC's headers first.
    """

    def __init__(self, client: Client, *, web: bool) -> None:
        self._client = client
        self._web = web
        self.gone = client.gone
        self.write = client.write
        self.end = client.end

    def begin(self, head: Reply, length: int | None) -> bool:
        """Take status and headers; return whether the body is to be written as it comes."""
        if not self._web or (length is not None and length <= _COLLECTED):
            return False
        begun = outcome(head, web=True)
        if begun.code:
            return False
        self._client.begin(begun, length)
        return True
