"""The type of event that a handler asks for: its parameter's annotation, resolved."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from fcplug.errors import PluginError

_Parameter = inspect.Parameter
_BY_POSITION = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)


def event_type(function: Callable[..., Any], *, by_position: bool) -> Any:
    """Return the type that a function's event is annotated with; Any where it is not.

    A hook gets its event by the name; a plain function as its first argument, unless all it takes
    is a context.

    Raises:
        PluginError: the annotation names what is not there.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # written in C and silent about itself
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
    """Return an annotation as a type, of this parameter only: others may name what they like."""

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
    """Return the function that was written, and the class it was written in, if any."""
    owner: type = object
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = function.__call__  # type: ignore[operator]
    if inspect.ismethod(function):
        instance = function.__self__
        owner = instance if inspect.isclass(instance) else type(instance)
    return inspect.unwrap(function), owner
