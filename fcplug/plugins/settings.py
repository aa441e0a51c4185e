"""Convert ``settings`` to the typed arguments of a plugin's class."""

import inspect
import typing
from collections.abc import Mapping
from typing import Any

from fcplug.config import schema
from fcplug.config.document import Document
from fcplug.config.location import Path
from fcplug.errors import PluginError, Problem, did_you_mean
from fcplug.result import causes_of, message_of, summary

_Parameter = inspect.Parameter
_REST = (_Parameter.VAR_KEYWORD, _Parameter.VAR_POSITIONAL)


class Settings:
    """The settings of one plugin, and their location in the file."""

    def __init__(self, document: Document, values: Mapping[str, Any], path: Path) -> None:
        self._document = document
        self._values = values
        self._path = path
        self._problems: list[Problem] = []

    def instantiate(self, kind: type) -> Any:
        """Call the plugin's class with the settings as keyword arguments.

        Raises:
            PluginError: a key or a type does not fit, or the class raises.
        """
        arguments = self._arguments(kind)
        if self._problems:
            raise self._error()
        try:
            return kind(**arguments)
        except BaseException as error:
            if arguments and isinstance(error, (TypeError, ValueError)):
                self._add_problem(f"{kind.__name__} rejects its settings: {message_of(error)}")
                raise self._error() from error
            raise PluginError(
                "UserCodeError",
                f"{kind.__name__} cannot be created: {summary(error)}",
                fix="do work that may fail in initialize(context), which is retried",
                causes=causes_of(error),
            ) from error

    def reject(self, why: str) -> None:
        """Reject settings that would have no effect.

        Raises:
            PluginError: there are any.
        """
        for key in self._values:
            self._add_problem(why, key)
        if self._problems:
            raise self._error()

    def _arguments(self, kind: type) -> dict[str, Any]:
        """Return the settings converted to the types of the class's annotations."""
        try:
            parameters = inspect.signature(kind).parameters
        except ValueError:  # written in C, without a signature
            return dict(self._values)
        takes_any = any(p.kind is _Parameter.VAR_KEYWORD for p in parameters.values())
        hints = hints_of(kind)
        arguments = {}
        for key, value in self._values.items():
            if key not in parameters and not takes_any:
                self._add_problem(f"unknown key '{key}'{did_you_mean(key, parameters)}", key)
                continue
            try:
                arguments[key] = schema.convert(value, hints.get(key, Any))
            except ValueError as error:
                self._add_problem(f"{key}: {error}", key)
        for name, parameter in parameters.items():
            optional = parameter.default is not _Parameter.empty or parameter.kind in _REST
            if not optional and name not in self._values:
                self._add_problem(f"the key '{name}' is missing")
        return arguments

    def _add_problem(self, what: str, key: str = "") -> None:
        locations = self._document.locations
        shared: Path = ("defaults", "settings")
        inherited = (*self._path, key) not in locations and (*shared, key) in locations
        path = shared if inherited else self._path
        self._problems.append(self._document.problem(path, what, key))

    def _error(self) -> PluginError:
        error = PluginError("SettingsInvalid", "\n".join(map(str, self._problems)))
        error.problems = self._problems
        return error


def hints_of(kind: type) -> dict[str, Any]:
    """Return the annotations of the arguments of a class."""
    for annotated in (kind.__init__, kind):  # type: ignore[misc]
        try:
            if hints := typing.get_type_hints(annotated, include_extras=True):
                return hints
        except Exception:  # noqa: S112 - annotations that cannot be resolved check nothing
            continue
    return {}
