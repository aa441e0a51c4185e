"""Check documents by a JSON Schema, with jsonschema-rs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from fcplug_validate.problem import misfit

_HIDDEN = "the value"


class SchemaCheck:
    """Checks documents by a schema: a mapping, or the path of a file that holds it as JSON.

    References to other files or servers are errors. Regular expressions take linear time.

    Raises:
        ValueError: the file cannot be read, or is not a JSON Schema.
    """

    def __init__(self, given: Mapping[str, Any] | str, *, show_values: bool) -> None:
        self.name = "its schema" if isinstance(given, Mapping) else given
        self.schema: Mapping[str, Any] = given if isinstance(given, Mapping) else _read(given)
        try:
            jsonschema_rs.meta.validate(dict(self.schema))
            self._validator = jsonschema_rs.validator_for(
                dict(self.schema),
                mask=None if show_values else _HIDDEN,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(f"{self.name} is not a JSON Schema: {_first_line(error)}") from None

    def check(self, text: bytes) -> None:
        """Raise Misfit if a document in JSON does not fit."""
        try:
            value = msgspec.json.decode(text)
        except (ValueError, RecursionError) as error:
            raise misfit(self.name, [((), not_json(error, text))]) from None
        self.check_value(value)

    def check_value(self, value: Any) -> None:
        """Raise Misfit if a value that JSON can hold does not fit."""
        try:
            fits = self._validator.is_valid(value)
        except UnicodeEncodeError:
            raise misfit(
                self.name, [((), "a text in it has half a surrogate pair, which UTF-8 lacks")]
            ) from None
        except ValueError:  # what it cannot take: nested too deeply
            raise misfit(
                self.name, [((), "it cannot be checked: it is nested too deeply")]
            ) from None
        if not fits:
            raise misfit(self.name, self._problems(value))

    def _problems(self, value: Any) -> Iterator[tuple[Sequence[object], str]]:
        for error in self._validator.iter_errors(value):
            yield error.instance_path, error.message


def not_json(error: Exception, text: bytes) -> str:
    """Return in words why a text is not JSON, without any of it."""
    if not text:
        return "it is empty, and no JSON"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not JSON: it is not UTF-8"
    return f"it is not JSON: {str(error).removeprefix('JSON is malformed: ')}"


def _read(file: str) -> Mapping[str, Any]:
    try:
        schema: Mapping[str, Any] = msgspec.json.decode(
            Path(file).read_bytes(), type=dict[str, Any]
        )
    except OSError as error:
        raise ValueError(f"the schema '{file}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the schema '{file}' is not a JSON object: {error}") from None
    return schema


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"it refers to {uri}: put that into the schema itself, under $defs")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
