"""The key of a call, and the hash of what must be the same under one key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from fcplug.context import Context
from fcplug.errors import InvalidEvent

_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Expression:
    """A JMESPath expression of a setting.

    Raises:
        ValueError: it is malformed.
    """

    setting: str
    text: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            compiled = jmespath.compile(self.text)
        except JMESPathError as error:
            what = str(error).splitlines()[0]
            raise ValueError(f"{self.setting}: {self.text!r} is not JMESPath: {what}") from None
        object.__setattr__(self, "_compiled", compiled)

    def value_in(self, event: bytes) -> bytes:
        """Return the value that the expression finds, as JSON of one form.

        Raises:
            InvalidEvent: the event is not JSON, or the value, or a part of a list, is missing.
        """
        try:
            document = msgspec.json.decode(event)
        except (ValueError, RecursionError):
            raise InvalidEvent(
                f"the event is not JSON, and {self.setting} {self.text!r} reads JSON"
            ) from None
        try:
            value = self._compiled.search(document)
        except (JMESPathError, RecursionError):  # its text may show values of the event
            raise InvalidEvent(
                f"{self.setting} {self.text!r} cannot be applied to the event"
            ) from None
        parts = value if isinstance(value, list) and value else [value]
        if any(part in _EMPTY for part in parts):
            raise InvalidEvent(f"the event has no value for {self.setting} {self.text!r}")
        return msgspec.json.encode(value, order="deterministic")


@dataclass(frozen=True)
class RequestId:
    """The id that the platform gives a call; its retries have the same one."""

    def of(self, _event: bytes, context: Context) -> bytes:
        """Return the key of a call."""
        return context.request_id.encode()


@dataclass(frozen=True)
class Header:
    """A header of the call, or of the request in an HTTP event."""

    name: str

    def of(self, event: bytes, context: Context) -> bytes:
        """Return the key of a call.

        Raises:
            InvalidEvent: there is no such header.
        """
        value = context.header(self.name) or self._in_event(event)
        if not value:
            raise InvalidEvent(f"the call has no header {self.name!r}, which is its key")
        return value.encode(errors="surrogatepass")

    def _in_event(self, event: bytes) -> str:
        try:
            document = msgspec.json.decode(event)
        except (ValueError, RecursionError):
            return ""
        headers = document.get("headers") if isinstance(document, Mapping) else None
        if not isinstance(headers, Mapping):
            return ""
        found = [value for name, value in headers.items() if name.lower() == self.name]
        return found[0] if found and isinstance(found[0], str) else ""


@dataclass(frozen=True)
class Field:
    """A value in the event."""

    expression: Expression

    def of(self, event: bytes, _context: Context) -> bytes:
        """Return the key of a call.

        Raises:
            InvalidEvent: the event has none.
        """
        return self.expression.value_in(event)


Key = RequestId | Header | Field


def digest(*parts: bytes) -> str:
    """Return one hash for several parts, none of which can stand for another."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()
