"""Contexts of calls as Function Compute makes them, with values that a test chooses."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from fcplug import protocol
from fcplug.context import Context
from fcplug.errors import did_you_mean, listing

if TYPE_CHECKING:
    from typing_extensions import Unpack

_HEADERS: Mapping[str, str] = {
    "request_id": protocol.REQUEST_ID,
    "access_key_id": protocol.ACCESS_KEY_ID,
    "access_key_secret": protocol.ACCESS_KEY_SECRET,
    "security_token": protocol.SECURITY_TOKEN,
    "function_name": protocol.FUNCTION_NAME,
    "handler": protocol.FUNCTION_HANDLER,
    "memory": protocol.FUNCTION_MEMORY,
    "timeout": protocol.FUNCTION_TIMEOUT,
    "region": protocol.REGION,
    "account_id": protocol.ACCOUNT_ID,
    "qualifier": protocol.QUALIFIER,
    "version_id": protocol.VERSION_ID,
    "service_name": protocol.SERVICE_NAME,
    "log_project": protocol.LOG_PROJECT,
    "log_store": protocol.LOG_STORE,
    "retry_count": protocol.RETRY_COUNT,
}
_DEFAULTS: Mapping[str, Any] = {
    "access_key_id": "STS.test-access-key-id",
    "access_key_secret": "test-access-key-secret",
    "security_token": "test-security-token",
    "function_name": "function",
    "memory": 512,
    "region": "cn-hangzhou",
    "account_id": "1234567890123456",
    "qualifier": "LATEST",
}


class ContextValues(TypedDict, total=False):
    """What ``make_context`` takes: ``memory`` is in MB, ``timeout`` in whole seconds."""

    request_id: str
    access_key_id: str
    access_key_secret: str
    security_token: str
    function_name: str
    handler: str
    memory: int
    timeout: int
    region: str
    account_id: str
    qualifier: str
    version_id: str
    service_name: str
    log_project: str
    log_store: str
    retry_count: int
    settings: Mapping[str, Any]


def make_context(**values: "Unpack[ContextValues]") -> Context:
    """Return the context of a call; what is not given is as in a call of Function Compute.

    The request id is new in each context, the credentials are made up, and there is no time limit.
    An empty text leaves a value out. ``settings`` are for a handler that the test calls itself: a
    runner gives the handler those of its function.

    Raises:
        TypeError: a context has no such value.
    """
    return Context.from_headers(headers_of(values), {}).for_function(
        values.get("settings", {}), None
    )


def headers_of(values: ContextValues) -> dict[str, str]:
    """Return the headers that Function Compute sends with such a call.

    Raises:
        TypeError: a context has no such value.
    """
    given: dict[str, Any] = {**_DEFAULTS, **values}
    given.pop("settings", None)
    for name in given:
        if name not in _HEADERS:
            known = [*_HEADERS, "settings"]
            raise TypeError(
                f"a context has no {name!r}{did_you_mean(name, known)}; it has: {listing(known)}"
            )
    return {_HEADERS[name]: str(value) for name, value in given.items()}
