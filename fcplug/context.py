"""Who is calling, with what identity and time left.

A superset of the contexts of FC's built-in Python 3.9, 3.10 and 3.12 runtimes, so that handlers
written for any of them run unchanged. Each part is built when it is first read, so an invocation
that reads none pays for none.
"""

import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeVar

from fcplug import protocol
from fcplug.identity import (
    SHADOW_OF,
    Credentials,
    FcSpellings,
    FunctionInfo,
    RequestLogger,
    ServiceInfo,
    Tracing,
    integer,
)

SENT_ON = (*protocol.CONTEXT_HEADERS, *protocol.TRACE_HEADERS, SHADOW_OF)  # make a context again
_ENVIRON_KEYS = [protocol.ENVIRON_NAMES[name] for name in SENT_ON[:-1]]
_WITH_VARIABLES = [SENT_ON.index(name) for name in protocol.VARIABLES]
_KEYS = slice(SENT_ON.index(protocol.ACCESS_KEY_ID), SENT_ON.index(protocol.SECURITY_TOKEN) + 1)
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
_is_request_id = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch
_Part = TypeVar("_Part")


class Context(FcSpellings):
    """What a handler knows about its invocation.

    Attributes:
        request_id: the platform's id of this call; a new one where none, or none that a log line
            may hold, was sent.
        settings: the function's ``settings`` of functions.yaml.
    """

    __slots__ = (
        "_cancelled",
        "_environ",
        "_header_names",
        "_headers",
        "_name",
        "_parts",
        "_received",
        "_timeout",
        "request_id",
        "settings",
    )

    def __init__(
        self,
        headers: protocol.Headers,
        environ: Mapping[str, str],
        header_names: Mapping[str, str] = protocol.SAME_NAMES,
        age: float = 0.0,
    ) -> None:
        """Make the context of a call.

        Args:
            headers: what was sent with the call.
            environ: the process environment, for headers that are not sent or, as on FC 3.0, empty.
            header_names: what ``headers`` calls a header; its own lower-case name by default.
            age: seconds since the call was received.
        """
        self._headers = headers
        self._header_names = header_names
        self._environ = environ
        self._received = time.monotonic() - age
        self._timeout = math.inf
        self._cancelled = False
        self._name = ""
        self._parts: dict[type, Any] = {}
        self.settings: Mapping[str, Any] = _NO_SETTINGS
        sent = headers.get(header_names[protocol.REQUEST_ID]) or ""
        self.request_id = sent if _is_request_id(sent) else str(uuid.uuid4())

    @classmethod
    def from_headers(cls, headers: protocol.Headers, environ: Mapping[str, str]) -> "Context":
        """Return the context of a call whose headers go by their lower-case names."""
        return cls(headers, environ)

    def to_headers(self) -> dict[str, str]:
        """Return the headers that make this context again, credentials included."""
        return {name: value for name, value in zip(SENT_ON, self.to_values(), strict=True) if value}

    def to_values(self) -> list[str | None]:
        """Return the values of ``SENT_ON`` in its order; None or empty for what was not sent."""
        get, names = self._headers.get, self._header_names
        usual = names is protocol.ENVIRON_NAMES
        keys = _ENVIRON_KEYS if usual else map(names.__getitem__, SENT_ON[:-1])
        values = [*map(get, keys), get(SHADOW_OF)]
        for index in _WITH_VARIABLES:
            if not values[index]:
                values[index] = self.header(SENT_ON[index])
        if not values[_KEYS.start]:
            values[_KEYS] = self._keys()  # of the environment
        values[0] = self.request_id
        return values

    def variables(self) -> dict[str, str]:
        """Return the environment's variables that this context reads beside ``to_headers``."""
        names = protocol.VARIABLES[protocol.FUNCTION_MEMORY]  # where the header is not a number
        if not self._headers.get(self._header_names[protocol.ACCESS_KEY_ID]):
            names += protocol.CREDENTIAL_VARIABLES
        return {name: value for name in names if (value := self._environ.get(name))}

    def for_function(
        self, settings: Mapping[str, Any], timeout: float | None, name: str = ""
    ) -> "Context":
        """Return this context as one function sees it: its settings and its own time limit.

        ``timeout`` is in seconds; ``name`` is the one of ``functions.yaml``, for calls without one.
        """
        own = Context.__new__(Context)
        own._headers = self._headers
        own._header_names = self._header_names
        own._environ = self._environ
        own._received = self._received
        own._timeout = self._timeout if timeout is None else min(self._timeout, timeout)
        own._cancelled = False
        own._name = name
        own._parts = {}
        own.request_id = self.request_id
        own.settings = settings
        return own

    def again(
        self, headers: protocol.Headers, request_id: str, age: float, timeout: float | None
    ) -> "Context":
        """Return the context of another call, with what its function and environment have given."""
        own = self.for_function(self.settings, timeout, self._name)
        own._headers = headers
        own._received = time.monotonic() - age
        own.request_id = request_id
        return own

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, else FC's variable for it, else ``""``.

        In workers there are FC's headers and those of a trace, and no others.
        """
        if value := self._headers.get(self._header_names[name]):
            return value
        for variable in protocol.VARIABLES.get(name, ()):
            if value := self._environ.get(variable):
                return value
        return ""

    @property
    def deadline(self) -> float | None:
        """The moment on ``time.monotonic()``, in seconds, when time is up; None without a limit.

        It is the sooner of FC's limit and the function's ``timeout`` in functions.yaml.
        """
        sent = self._headers.get(self._header_names[protocol.FUNCTION_TIMEOUT])
        seconds = self._timeout
        if sent and 0 < (limit := integer(sent, 0)) < seconds:
            seconds = limit
        return None if seconds == math.inf else self._received + seconds

    @property
    def age(self) -> float:
        """The seconds since the call was received."""
        return time.monotonic() - self._received

    @property
    def credentials(self) -> Credentials:
        """The keys sent with this call, else those of the environment; never mixed."""
        return self._part(Credentials, lambda: Credentials(*self._keys()))

    @property
    def function(self) -> FunctionInfo:
        """The function as FC knows it."""
        return self._part(FunctionInfo, self._function)

    @property
    def entry(self) -> str:
        """The name of the function in functions.yaml, which may differ from FC's name for it."""
        return self._name

    @property
    def service(self) -> ServiceInfo:
        """The FC 2.0 service."""
        return self._part(ServiceInfo, lambda: ServiceInfo.of(self.header))

    @property
    def tracing(self) -> Tracing:
        """The trace this call belongs to."""
        return self._part(Tracing, lambda: Tracing.of(self.header))

    @property
    def logger(self) -> logging.Logger:
        """A logger whose records carry this call's request id, on any thread."""
        return self._part(RequestLogger, lambda: RequestLogger(self))

    @property
    def region(self) -> str:
        """The region's id, such as ``cn-hangzhou``."""
        return self.header(protocol.REGION)

    @property
    def account_id(self) -> str:
        """The id of the account that owns the function."""
        return self.header(protocol.ACCOUNT_ID)

    @property
    def qualifier(self) -> str:
        """The version or alias the caller asked for."""
        return self.header(protocol.QUALIFIER)

    @property
    def version_id(self) -> str:
        """The version that answers; empty for LATEST."""
        return self.header(protocol.VERSION_ID)

    @property
    def log_project(self) -> str:
        """The log service's project."""
        return self.header(protocol.LOG_PROJECT)

    @property
    def log_store(self) -> str:
        """The log service's store."""
        return self.header(protocol.LOG_STORE)

    @property
    def retry_count(self) -> int:
        """How often FC has tried this asynchronous call before: 0 for the first."""
        return integer(self.header(protocol.RETRY_COUNT), 0)

    @property
    def shadow_of(self) -> str:
        """The request id of the call that this one is a copy of; empty for all others."""
        return self.header(SHADOW_OF)

    @property
    def cancelled(self) -> bool:
        """Whether the deadline has passed, so that the result is no longer awaited.

        A handler that works in a loop checks it and returns; nothing else ends its thread.
        """
        return self._cancelled

    def cancel(self) -> None:
        """Let the handler know that its result is no longer awaited."""
        self._cancelled = True

    def remaining_time(self) -> float:
        """Return the seconds left until the deadline, 0 once past it, ``inf`` without one."""
        deadline = self.deadline
        return math.inf if deadline is None else max(0.0, deadline - time.monotonic())

    def __repr__(self) -> str:
        name = self.header(protocol.FUNCTION_NAME)
        return f"Context(request_id={self.request_id!r}, function={name!r})"

    def _part(self, kind: type[_Part], make: Callable[[], _Part]) -> _Part:
        part: _Part | None = self._parts.get(kind)
        if part is None:
            part = self._parts[kind] = make()
        return part

    def _keys(self) -> list[str]:
        sent, names = self._headers, self._header_names
        keys = [sent.get(names[name]) or "" for name in protocol.CREDENTIAL_HEADERS]
        if not keys[0]:
            keys = [self._environ.get(name, "") for name in protocol.CREDENTIAL_VARIABLES]
        return keys

    def _function(self) -> FunctionInfo:
        own_limit = 0 if self._timeout == math.inf else math.ceil(self._timeout)
        memory_variable = self._environ.get(protocol.VARIABLES[protocol.FUNCTION_MEMORY][0], "")
        return FunctionInfo(
            name=self.header(protocol.FUNCTION_NAME) or self._name,
            handler=self.header(protocol.FUNCTION_HANDLER),
            memory=integer(self.header(protocol.FUNCTION_MEMORY), integer(memory_variable, 0)),
            timeout=integer(self.header(protocol.FUNCTION_TIMEOUT), own_limit),
            version_id=self.version_id,
            qualifier=self.qualifier,
        )


current: ContextVar[Context | None] = ContextVar("fcplug_context", default=None)
"""The context of the phase that this thread is running."""
