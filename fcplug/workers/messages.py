"""The headers of frames: what the runtime and a worker tell each other."""

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
    """What the header of a frame carries, checked where it arrives."""

    def to_header(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        header: dict[str, Any] = msgspec.to_builtins(self)
        return header

    @classmethod
    def from_header(cls: type[_Self], header: Mapping[str, Any]) -> _Self:
        """Return what a header carries.

        Raises:
            FrameError: it carries something else.
        """
        try:
            return msgspec.convert(header, cls)
        except msgspec.ValidationError as error:
            raise FrameError(f"no {cls.__name__}: {error}") from None


class Hello(Header, frozen=True):
    """The first word of a worker, the same in every version.

    ``problem`` is why its interpreter cannot run fcplug; it then has no version.
    """

    version: str
    problem: str = ""


class Ready(Header, frozen=True):
    """A function that a worker has loaded: its handler's package, the hooks it has."""

    package: str
    hooks: list[str]


class ResponseHead(Header, frozen=True):
    """The first part of a web answer."""

    status: str
    headers: list[tuple[str, str]]


class HookCall(Header, frozen=True):
    """A hook to run, and the context to run it with; ``age`` and ``timeout`` in seconds.

    ``hook`` is ``WEB`` for a web request; ``environ`` holds what is text of its WSGI environ.
    """

    hook: str
    headers: dict[str, str]
    variables: dict[str, str]
    age: float
    timeout: float | None = None
    environ: dict[str, str] = {}

    @classmethod
    def of(cls, hook: str, context: Context, environ: Mapping[str, Any] = _EMPTY) -> "HookCall":
        """Return the call of a hook with a context, and with an environ if it is a web request."""
        texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        headers, variables = context.to_headers(), context.variables()
        # a private attribute: handlers see the sooner of this limit and FC's own
        timeout = None if context._timeout == math.inf else context._timeout
        return cls(hook, headers, variables, context.age, timeout, texts)

    def context(self) -> Context:
        """Return the context, its deadline at the same moment."""
        return Context(self.headers, self.variables, age=self.age)
