"""Check documents by a type: a pydantic model, or whatever msgspec decodes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import msgspec

from fcplug_validate.json_schema import not_json
from fcplug_validate.problem import misfit

_WITHOUT_VALUES = re.compile(r"Expected |Object (missing|contains) |Number out of range")
_OWN_TEXTS = ("value_error", "assertion_error")  # pydantic's, for what a validator raises
_HIDDEN = "the value is not valid"


class TypeCheck:
    """Checks documents by a type, named as ``module:Class``.

    Raises:
        ValueError: there is no such type, or it has no JSON form.
    """

    def __init__(self, given: str, *, is_output: bool, show_values: bool) -> None:
        self.name = given.rpartition(":")[2]
        self._show_values = show_values
        self._kind = kind = _found(given)
        self._is_model = hasattr(kind, "model_validate_json")
        try:
            self.schema: Mapping[str, Any] = (
                kind.model_json_schema(mode="serialization" if is_output else "validation")
                if self._is_model
                else msgspec.json.schema(kind)
            )
            # msgspec 0.22 overlooks fields of dataclasses and TypedDicts whose names are not ASCII
            # and were never encoded
            msgspec.json.encode(self.schema)
            self._decode = (
                kind.model_validate_json if self._is_model else msgspec.json.Decoder(kind).decode
            )
        except Exception as error:
            raise ValueError(f"{given} is not a type that JSON can have: {error}") from error

    def check(self, text: bytes) -> None:
        """Raise Misfit if a document in JSON does not fit."""
        try:
            self._decode(text)
        except msgspec.ValidationError as error:
            raise misfit(self.name, [self._of_msgspec(str(error))]) from None
        except (ValueError, RecursionError) as error:
            if not self._is_model:
                raise misfit(self.name, [((), not_json(error, text))]) from None
            raise misfit(self.name, self._of_pydantic(error, text)) from None

    def check_value(self, value: Any) -> None:
        """Raise Misfit if a value that JSON can hold does not fit."""
        self.check(msgspec.json.encode(value))

    def _of_msgspec(self, text: str) -> tuple[Sequence[object], str]:
        """Split ``Expected `int`, got `str` - at `$.size[0]```."""
        what, _, at = text.rpartition(" - at `") if " - at `" in text else (text, "", "$")
        path = re.findall(r"[^.\[\]`$]+", at.rstrip("`"))
        if not (self._show_values or _WITHOUT_VALUES.match(what)):
            return path, _HIDDEN
        return path, what[:1].lower() + what[1:].replace("`", "")

    def _of_pydantic(self, error: Any, text: bytes) -> Iterator[tuple[Sequence[object], str]]:
        if not hasattr(error, "errors"):
            yield (), not_json(error, text)
            return
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            if each["type"] == "json_invalid":
                yield (), "it is not JSON"
            elif each["type"] in _OWN_TEXTS and not self._show_values:
                yield each["loc"], _HIDDEN
            else:
                yield each["loc"], each["msg"]


def _found(given: str) -> Any:
    module, colon, name = given.partition(":")
    if not (colon and module and name):
        raise ValueError(f"{given!r} names no type: write module:Class")
    try:
        return reduce(getattr, name.split("."), importlib.import_module(module))
    except ModuleNotFoundError as error:
        raise ValueError(f"{given}: there is no module '{error.name}'") from error
    except AttributeError:
        raise ValueError(f"{given}: the module '{module}' has no '{name}'") from None
