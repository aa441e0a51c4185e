"""The headers that Function Compute sends to a runtime, and those that it passes on.

FC 2.0's set is the documented one. FC 3.0's is that of observed traffic, where many headers are
present but empty.
"""

import secrets
import time
import uuid
from collections.abc import Iterable, Sequence

from fcplug import protocol
from fcplug.platform.model import Call, FunctionConfig
from fcplug.protocol import Phase

Fields = Sequence[tuple[str, str]]

_USER_AGENT = "Go-http-client/1.1"  # what FC's own calls say
_NOT_PASSED = {"connection", "keep-alive", "content-length", "transfer-encoding"}
_NOT_RETURNED = {*_NOT_PASSED, "date", "server"}


def new_request_id(headers: str = "3.0") -> str:
    """Return a new request id: FC 3.0's form begins with the time, FC 2.0's is a UUID."""
    if headers == "2.0":
        return str(uuid.uuid4())
    return f"1-{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(6)}"


def new_instance_id() -> str:
    """Return a new id for an instance, in the form of FC's."""
    return f"c-{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(6)}"


def of_platform(function: FunctionConfig, call: Call, phase: Phase) -> list[tuple[str, str]]:
    """Return FC's own headers for one request to the runtime."""
    fields = {
        protocol.REQUEST_ID: call.request_id,
        protocol.CONTROL_PATH: phase.path,
        **dict(zip(protocol.CREDENTIAL_HEADERS, function.credentials or ("",) * 3, strict=True)),
        protocol.FUNCTION_NAME: function.name,
        protocol.FUNCTION_HANDLER: function.handler,
        protocol.FUNCTION_MEMORY: str(function.memory),
        protocol.REGION: function.region,
        protocol.ACCOUNT_ID: function.account_id,
        protocol.QUALIFIER: call.qualifier,
        protocol.VERSION_ID: call.qualifier if call.qualifier.isdigit() else "",
        protocol.LOG_PROJECT: "",
        protocol.LOG_STORE: "",
    }
    fields.update(_of_2(function) if function.headers == "2.0" else _of_3(function, call))
    return list(fields.items())


def _of_2(function: FunctionConfig) -> dict[str, str]:
    return {
        protocol.SERVICE_NAME: function.service,
        protocol.FUNCTION_INITIALIZER: function.handler if function.initializer else "",
        protocol.INITIALIZATION_TIMEOUT: f"{function.initialization_timeout:g}",
        protocol.PRE_STOP_HANDLER: function.handler if function.pre_stop else "",
        protocol.PRE_FREEZE_HANDLER: function.handler if function.pre_freeze else "",
    }


def _of_3(function: FunctionConfig, call: Call) -> dict[str, str]:
    return {
        protocol.SERVICE_NAME: "",
        protocol.FUNCTION_TIMEOUT: f"{function.timeout:g}",
        protocol.RETRY_COUNT: str(call.retry),
        protocol.CLIENT_IP: call.client_ip,
        protocol.BASE_PATH: call.target.partition("?")[0],
        protocol.SPAN_CONTEXT: "",
        protocol.SPAN_BAGGAGES: "",
        protocol.JAEGER_ENDPOINT: "",
        **dict.fromkeys(protocol.EMPTY_HEADERS, ""),
    }


def of_event(port: int) -> list[tuple[str, str]]:
    """Return what FC's client sends with an event or a hook, beside FC's own headers."""
    return [("host", f"127.0.0.1:{port}"), ("user-agent", _USER_AGENT)]


def passed_on(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those headers of a client that reach a web function.

    Without ``x-fc-*``, ``connection`` and ``keep-alive``, and without the framing, which is of
    this hop only. They keep their order and the names that the client chose.
    """
    return [(name, value) for name, value in fields if _is_free(name, _NOT_PASSED)]


def returned(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those headers of a web function that reach its client."""
    return [
        (name, value)
        for name, value in fields
        if _is_free(name, _NOT_RETURNED)
        and not (name.lower() == "content-disposition" and value.strip().lower() == "attachment")
    ]


def _is_free(name: str, taken: set[str]) -> bool:
    lower = name.lower()
    return lower not in taken and not lower.startswith(protocol.PREFIX)


def size(fields: Iterable[tuple[str, str]]) -> int:
    """Return how many bytes headers take in a message."""
    return sum(len(name) + len(value) + 4 for name, value in fields)
