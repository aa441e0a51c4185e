"""Read the event type that a handler's annotation names."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from fcplug.errors import PluginError

_Parameter = inspect.Parameter
_BY_POSITION = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)


def event_type(function: Callable[..., Any], *, by_position: bool) -> Any:
    """Return the annotated type of a function's event, or Any.

    A hook receives its event by the name ``event``. A plain function receives it as the first
    argument, unless its only parameter is called ``context``.

    Raises:
        PluginError: the annotation uses a name that is not defined.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # written in C, without a signature
        return Any
    taken = [parameter for parameter in parameters if parameter.kind in _BY_POSITION]
    if by_position:
        taken = [] if [each.name for each in taken] == ["context"] else taken[:1]
    else:
        taken = [parameter for parameter in taken if parameter.name == "event"]
    if not taken or taken[0].annotation is _Parameter.empty:
        return Any
    return _resolved(function, taken[0])


def _resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Resolve the annotation of this parameter only; errors in others do not matter."""

    def holder() -> None: ...

    holder.__annotations__ = {"event": parameter.annotation}
    code, owner = _code_of(function)
    try:
        hints = get_type_hints(
            holder, getattr(code, "__globals__", {}), dict(vars(owner)), include_extras=True
        )
    except Exception as error:
        raise PluginError(
            "PluginInvalid",
            f"the annotation {str(parameter)!r} cannot be resolved: {error}",
            fix="import the name where the handler is defined, outside of TYPE_CHECKING, or "
            "annotate the event with bytes",
        ) from error
    return hints["event"]


def _code_of(function: Callable[..., Any]) -> tuple[Any, type]:
    """Return the function as its author wrote it, and its class (``object`` if it has none)."""
    owner: type = object
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = function.__call__  # type: ignore[operator]
    if inspect.ismethod(function):
        instance = function.__self__
        owner = instance if inspect.isclass(instance) else type(instance)
    return inspect.unwrap(function), owner
