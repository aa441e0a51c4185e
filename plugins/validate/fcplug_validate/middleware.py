"""The middleware: checks what a function is given, and what it returns."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fcplug import hookimpl
from fcplug.encoding import encode
from fcplug.errors import InvalidEvent
from fcplug_validate.json_schema import SchemaCheck
from fcplug_validate.problem import Misfit
from fcplug_validate.type_check import TypeCheck

_OPERATION = re.compile(r"([A-Z]+) (/[^\s?#{}]*)")
_PLAIN = (dict, list, int, float, bool, type(None))

Check = SchemaCheck | TypeCheck


class InvalidOutput(ValueError):  # noqa: N818 - the name is the errorType that callers read
    """A function returned what does not fit its own schema or type."""


class _Request(msgspec.Struct, frozen=True):
    method: str = "GET"
    path: str = "/"


class _Requested(msgspec.Struct, frozen=True):
    http: _Request = _Request()


class _HTTPEvent(msgspec.Struct, frozen=True, rename="camel"):
    """The parts of FC's HTTP event that matter here."""

    raw_path: str = "/"
    request_context: _Requested = _Requested()
    body: str | None = None
    is_base64_encoded: bool = False


@dataclass(kw_only=True)
class Validate:
    """A middleware that checks events and results; what does not fit fails the invocation.

    Attributes:
        schema: the JSON Schema of the event: itself, or the path of a JSON file.
        type: in place of it the type of the event, ``module:Class``.
        output_schema: as ``schema``, for the result.
        output_type: as ``type``, for the result.
        http: ``POST /orders``: the event is FC's HTTP event; bodies of these requests are checked.
        show_values: whether errors may show values of the documents.

    Raises:
        ValueError: a schema or type cannot be used, or nothing is to be checked.
    """

    schema: dict[str, Any] | str | None = None
    type: str | None = None
    output_schema: dict[str, Any] | str | None = None
    output_type: str | None = None
    http: str | None = None
    show_values: bool = False
    _input: Check | None = field(init=False)
    _output: Check | None = field(init=False)

    def __post_init__(self) -> None:
        self._input = self._check(self.schema, self.type, "")
        self._output = self._check(self.output_schema, self.output_type, "output_")
        if not (self._input or self._output):
            raise ValueError("there is nothing to check: give schema or type")
        if self.http is not None and not _OPERATION.fullmatch(self.http):
            raise ValueError(
                f"http: {self.http!r} is not a method and a path, such as POST /orders"
            )

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes) -> Generator[None, Any, Any]:
        """Check the event, let it be answered, and check the result."""
        concerned = self.http is None or self._check_request(event)
        if self._input and self.http is None:
            self._check_event(self._input, event, "the event")
        result = yield
        if self._output and concerned:
            self._check_result(self._output, result)
        return result

    def __fcplug_schema__(self) -> Mapping[str, Any]:
        """Return what ``fcplug schema --functions`` publishes of the function."""
        return {
            "event": self._input and self._input.schema,
            "result": self._output and self._output.schema,
            "http": self.http,
        }

    def _check(
        self, schema: dict[str, Any] | str | None, kind: str | None, prefix: str
    ) -> Check | None:
        if schema is not None and kind is not None:
            raise ValueError(f"give either {prefix}schema or {prefix}type")
        if schema is not None:
            return SchemaCheck(schema, show_values=self.show_values)
        if kind is None:
            return None
        return TypeCheck(kind, is_output=bool(prefix), show_values=self.show_values)

    def _check_event(self, check: Check, text: bytes, what: str) -> None:
        try:
            check.check(text)
        except Misfit as error:
            raise InvalidEvent(f"{what} does not fit {error}") from None

    def _check_request(self, event: bytes) -> bool:
        """Check the body of a request; return False if it is another request."""
        try:
            request = msgspec.json.decode(event, type=_HTTPEvent)
        except (ValueError, RecursionError):
            raise InvalidEvent("the event is not an HTTP event of Function Compute") from None
        http = request.request_context.http
        if f"{http.method} {request.raw_path}" != self.http:
            return False
        if self._input:
            try:
                body = _body(request.body or "", is_base64=request.is_base64_encoded)
            except binascii.Error:
                raise InvalidEvent("the body is not base64, as isBase64Encoded says") from None
            self._check_event(self._input, body, "the body")
        return True

    def _check_result(self, check: Check, result: Any) -> None:
        what = "the result"
        if self.http is not None:
            what = "the body of the answer"
            if isinstance(result, Mapping) and "statusCode" in result:
                if not str(result["statusCode"]).startswith("2"):
                    return  # a failure has a body of its own
                result = _answer_body(result)
        try:
            is_value = isinstance(check, SchemaCheck) and _is_plain(result)
        except RecursionError:  # encode names the place
            is_value = False
        try:
            if is_value and isinstance(result, _PLAIN):
                check.check_value(result)
            else:
                check.check(encode(result, "handler"))
        except Misfit as error:
            raise InvalidOutput(f"{what} does not fit {error}") from None


def _answer_body(answer: Mapping[str, Any]) -> bytes:
    text = answer.get("body")
    try:
        return _body(
            "" if text is None else str(text), is_base64=bool(answer.get("isBase64Encoded"))
        )
    except binascii.Error:
        raise InvalidOutput(
            "the body of the answer is not base64, as its isBase64Encoded says: encode it with "
            "base64.b64encode, or leave isBase64Encoded out"
        ) from None


def _is_plain(value: Any) -> bool:
    """Return whether a value is JSON already, and no dataclass is in it."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _body(text: str, *, is_base64: bool) -> bytes:
    return base64.b64decode(text, validate=True) if is_base64 else text.encode()
