"""The headers of frames, as typed structures that are JSON on the way."""

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from fcplug.context import SENT_ON, Context
from fcplug.protocol import REQUEST_ID
from fcplug.workers.wire import FrameError

WEB = "web"
_encode = msgspec.json.Encoder().encode
_decoder: Callable[[Any], msgspec.json.Decoder[Any]] = functools.cache(msgspec.json.Decoder)
_Self = TypeVar("_Self", bound="Header")
_Value = TypeVar("_Value")


class Header(Struct, frozen=True):
    """The header of a frame, validated when it is received."""

    def to_header(self) -> bytes:
        """Return the header as JSON."""
        return encoded(self)

    @classmethod
    def from_header(cls: type[_Self], header: bytes) -> _Self:
        """Parse a received header.

        Raises:
            FrameError: it does not have this structure.
        """
        try:
            return decoded(header, cls)
        except (ValueError, RecursionError) as error:
            raise FrameError(f"not a valid {cls.__name__}: {error}") from None


def encoded(value: Any) -> bytes:
    """Return the JSON of plain values and structures."""
    try:
        return _encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError):
        # half of a surrogate pair, an integer over 2**64, a subclass of str
        return json.dumps(value, default=msgspec.structs.asdict).encode()


def decoded(data: bytes, kind: type[_Value]) -> _Value:
    """Return what ``encoded`` made JSON of.

    Raises:
        ValueError, RecursionError: the data is not the JSON of this kind.
    """
    try:
        value: _Value = _decoder(kind).decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # half of a surrogate pair
        return msgspec.convert(json.loads(data), kind)
    return value


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


class HookCall(Header, frozen=True, array_like=True):
    """A hook to run, and what differs from call to call; ``age`` and ``timeout`` are in seconds.

    ``hook`` is ``WEB`` for a web request; ``environ`` has the text values of its WSGI environ.
    """

    hook: str
    request_id: str
    age: float
    timeout: float | None = None
    environ: dict[str, str] = {}

    @classmethod
    def of(
        cls, hook: str, context: Context, environ: Mapping[str, Any] | None = None
    ) -> "HookCall":
        """Return the call of a hook; ``environ`` is given for web requests only."""
        texts = {}
        if environ is not None:
            texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        # private, because handlers see the earlier of this limit and FC's
        timeout = None if context._timeout == math.inf else context._timeout
        return cls(hook, context.request_id, context.age, timeout, texts)


_decode_call = msgspec.json.Decoder(HookCall).decode


class Identity(Header, frozen=True, array_like=True):
    """The rest of a call's context, which is usually that of the call before.

    ``values`` are those of ``context.SENT_ON`` after the request id.
    """

    values: list[str | None]
    variables: dict[str, str]


class CallWriter:
    """Writes the headers of the calls of one worker: a line for the call, one for its identity.

    An identity that equals the last one is not encoded again. JSON has no line breaks. Both ends
    keep the keys of the last call.
    """

    def __init__(self) -> None:
        self._last: tuple[list[str | None], dict[str, str]] | None = None
        self._line = b""

    def write(self, call: HookCall, values: list[str | None], variables: dict[str, str]) -> bytes:
        """Return the header of a call; the rest is what methods of its context returned."""
        identity = values[1:], variables
        if identity != self._last:
            self._last, self._line = identity, encoded(identity)
        return encoded(call) + b"\n" + self._line


class CallReader:
    """Reads what a ``CallWriter`` has written, in a worker of one function."""

    def __init__(self, settings: Mapping[str, Any], name: str) -> None:
        self._settings = settings
        self._name = name
        self._line: bytes | None = None
        self._headers: dict[str, str | None] = {}
        self._like = Context({}, {})

    def read(self, header: bytes) -> tuple[HookCall, Context]:
        """Return a call and its context, with the deadline at the same moment.

        Raises:
            FrameError: the header is not one of a call.
        """
        first, _, line = header.partition(b"\n")
        try:
            call = _decode_call(first)  # three functions less than from_header
        except ValueError:
            call = HookCall.from_header(first)
        if line != self._line:
            identity = Identity.from_header(line)
            self._headers = dict(zip(SENT_ON[1:], identity.values, strict=False))
            like = Context.from_headers(self._headers, identity.variables)
            self._like = like.for_function(self._settings, None, self._name)
            self._line = line
        headers = {**self._headers, REQUEST_ID: call.request_id}
        return call, self._like.again(headers, call.request_id, call.age, call.timeout)
