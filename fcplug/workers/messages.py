"""The headers of frames, as typed structures."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from fcplug.context import Context
from fcplug.workers.wire import FrameError

WEB = "web"
_EMPTY: Mapping[str, Any] = MappingProxyType({})
_Self = TypeVar("_Self", bound="Header")


class Header(Struct, frozen=True):
    """The header of a frame, validated when it is received."""

    def to_header(self) -> dict[str, Any]:
        """Return the header as plain values for JSON."""
        header: dict[str, Any] = msgspec.to_builtins(self)
        return header

    @classmethod
    def from_header(cls: type[_Self], header: Mapping[str, Any]) -> _Self:
        """Parse a received header.

        Raises:
            FrameError: it does not have this structure.
        """
        try:
            return msgspec.convert(header, cls)
        except msgspec.ValidationError as error:
            raise FrameError(f"not a valid {cls.__name__}: {error}") from None


class Hello(Header, frozen=True):
    """The first message of a worker.

    This structure must be the same in every version.

    ``problem`` is the reason why its interpreter cannot run fcplug; then ``version`` is empty.
    """

    version: str
    problem: str = ""


class Ready(Header, frozen=True):
    """The function is loaded: the handler's package, and all hooks."""

    package: str
    hooks: list[str]


class ResponseHead(Header, frozen=True):
    """The status line and header fields of a web answer."""

    status: str
    headers: list[tuple[str, str]]


class HookCall(Header, frozen=True):
    """A hook to run and its context; ``age`` and ``timeout`` are in seconds.

    ``hook`` is ``WEB`` for a web request; ``environ`` has the text values of its WSGI environ.
    """

    hook: str
    headers: dict[str, str]
    variables: dict[str, str]
    age: float
    timeout: float | None = None
    environ: dict[str, str] = {}

    @classmethod
    def of(cls, hook: str, context: Context, environ: Mapping[str, Any] = _EMPTY) -> "HookCall":
        """Return the call of a hook; ``environ`` is given for web requests only."""
        texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        headers, variables = context.to_headers(), context.variables()
        # private, because handlers see the earlier of this limit and FC's
        timeout = None if context._timeout == math.inf else context._timeout
        return cls(hook, headers, variables, context.age, timeout, texts)

    def context(self) -> Context:
        """Return the context, with the deadline at the same moment."""
        return Context(self.headers, self.variables, age=self.age)
