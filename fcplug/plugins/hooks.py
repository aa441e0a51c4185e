"""Find the hooks of a plugin object and check them before any is called."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

from fcplug import hookspecs
from fcplug.errors import PluginError, did_you_mean
from fcplug.hookspecs import PROJECT, hookimpl
from fcplug.plugins.importer import MIDDLEWARE, Source

MARK = f"{PROJECT}_impl"
_Parameter = inspect.Parameter
_PLAIN = frozenset({bytes, str, dict, list, int, float, bool, type(None)})  # not awaitable


class FunctionHandler:
    """A plugin made of a plain function, called by position as FC does.

    ``complete`` returns the final result: it waits for an awaitable.
    """

    def __init__(self, function: Callable[..., Any], complete: Callable[[Any], Any]) -> None:
        _reject_generator(function)
        call = _by_event_and_context(function)
        if _is_async(function):

            async def invoke(event: bytes, context: Any) -> Any:
                return await call(event, context)
        else:

            def invoke(event: bytes, context: Any) -> Any:  # type: ignore[misc]
                result = call(event, context)
                return result if type(result) in _PLAIN else complete(result)

        self.invoke = hookimpl(invoke)


class FunctionHook:
    """A plugin made of a plain function that is one hook.

    FC calls such functions by position.

    ``complete`` is as for ``FunctionHandler``.

    Attributes:
        function: the plain function.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], complete: Callable[[Any], Any]
    ) -> None:
        if not callable(function):
            raise PluginError(
                "PluginInvalid",
                f"{name_of(function)} is not a function",
                fix="name a function: def initializer(context)",
            )
        self.function = function
        taken = len(_by_position(function, ("context",)))
        if _is_async(function):

            async def hook(context: Any) -> Any:
                return await function(*(context,)[:taken])
        else:

            def hook(context: Any) -> Any:  # type: ignore[misc]
                return complete(function(*(context,)[:taken]))

        setattr(self, name, hookimpl(hook))


def _is_async(function: Callable[..., Any]) -> bool:
    is_async = inspect.iscoroutinefunction
    return is_async(function) or is_async(type(function).__call__)


def _reject_generator(function: Callable[..., Any]) -> None:
    """Reject a handler that yields, because an event has one result."""
    code = function if inspect.isroutine(function) else type(function).__call__
    for is_one, what in (
        (inspect.isasyncgenfunction, "an async generator"),
        (inspect.isgeneratorfunction, "a generator"),
    ):
        if is_one(function) or is_one(code):
            raise PluginError(
                "PluginInvalid",
                f"{name_of(function)} is {what}, but an event has one result",
                fix="return the whole result; to stream an answer to a web request, use an "
                "application (key wsgi or asgi)",
            )


def _by_event_and_context(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Adapt a function that takes an event, a context, both or neither to take both.

    Raises:
        PluginError: the function needs other arguments.
    """
    names = _by_position(function, ("event", "context"))
    if len(names) >= 2:
        return function
    if names == ["context"]:
        return lambda _, context: function(context)
    if names:
        return lambda event, _: function(event)
    return lambda _event, _context: function()


def _by_position(function: Callable[..., Any], given: Sequence[str]) -> list[str]:
    """Return the names of the parameters that receive the given arguments, in order.

    Raises:
        PluginError: the function needs more arguments.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # written in C, without a signature
        return list(given)
    by_position = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in by_position]
    needed = [p for p in positional if p.default is _Parameter.empty]
    keywords = [
        p.name
        for p in parameters
        if p.kind is _Parameter.KEYWORD_ONLY and p.default is _Parameter.empty
    ]
    if len(needed) > len(given) or keywords:
        outer = inspect.signature(function, follow_wrapped=False)
        if binds(outer, len(given)):  # its decorator passes the other arguments
            return list(given)
        args = " and ".join(f"{'an' if name == 'event' else 'a'} {name}" for name in given)
        raise PluginError(
            "PluginInvalid",
            f"{name_of(function)}{inspect.signature(function)} cannot be called with {args}",
            fix=f"def {name_of(function)}({', '.join(given)})",
        )
    if any(p.kind is _Parameter.VAR_POSITIONAL for p in parameters):
        return list(given)
    return [p.name for p in positional][: len(given)]


def binds(signature: inspect.Signature, count: int) -> bool:
    """Return whether a signature accepts ``count`` positional arguments."""
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def hooks_of(plugin: Any) -> dict[str, Callable[..., Any]]:
    """Return the marked hooks of a plugin, without evaluating its properties."""
    hooks: dict[str, Callable[..., Any]] = {}
    for attribute in dir(plugin):
        if attribute.startswith("__"):
            continue
        options = _options(inspect.getattr_static(plugin, attribute, None))
        if options is None:
            continue
        name, hook = options["specname"] or attribute, getattr(plugin, attribute)
        if name in hooks or not isinstance(hook, FunctionType | MethodType):
            what = "given twice" if name in hooks else f"a {type(hook).__name__}"
            raise PluginError(
                "PluginInvalid", f"the hook '{name}' is {what}", fix="write it once, with def"
            )
        setattr(getattr(hook, "__func__", hook), MARK, options)
        hooks[name] = hook
    return hooks


def _options(found: Any) -> Mapping[str, Any] | None:
    """Return the options of ``@hookimpl``, also through ``staticmethod`` and ``classmethod``."""
    options: Mapping[str, Any] | None = inspect.getattr_static(found, MARK, None)
    if options is None and isinstance(found, staticmethod | classmethod | MethodType):
        return _options(found.__func__)
    return options


def wraps(options: Mapping[str, Any]) -> bool:
    """Return whether a hook with these options is a wrapper."""
    return bool(options["wrapper"] or options["hookwrapper"])


def check(name: str, hook: Callable[..., Any]) -> None:
    """Check that a hook exists, can be called and would be called.

    Raises:
        PluginError: it is unknown, its kind is wrong, or its parameters do not fit.
    """
    options = getattr(hook, MARK)
    if name not in hookspecs.NAMES:
        if options["optionalhook"]:
            return
        raise PluginError(
            "PluginInvalid",
            f"unknown hook '{name}'{did_you_mean(name, hookspecs.NAMES)}",
            fix=f"the hooks are {', '.join(hookspecs.NAMES)}",
        )
    is_async = inspect.isasyncgenfunction(hook) or inspect.iscoroutinefunction(hook)
    yields = inspect.isasyncgenfunction(hook) or inspect.isgeneratorfunction(hook)
    if wraps(options) and (is_async or not yields):
        raise PluginError(
            "PluginInvalid",
            f"the wrapper '{name}' {'is async' if is_async else 'does not yield'}",
            fix="a wrapper is a plain def with one: result = yield",
        )
    if yields and not wraps(options):
        raise PluginError(
            "PluginInvalid",
            f"the hook '{name}' yields, but is not a wrapper",
            fix="mark it @hookimpl(wrapper=True), or return a value",
        )
    _check_parameters(name, hook)


def _check_parameters(name: str, hook: Callable[..., Any]) -> None:
    signature = inspect.signature(hook)
    given = list(inspect.signature(getattr(hookspecs, name)).parameters)
    for parameter in signature.parameters.values():
        optional = parameter.default is not _Parameter.empty
        if parameter.kind in (_Parameter.VAR_POSITIONAL, _Parameter.VAR_KEYWORD):
            continue
        if parameter.name not in given and not optional:
            what = f"'{parameter.name}'{did_you_mean(parameter.name, given)}, which is never passed"
        elif parameter.name in given and (optional or parameter.kind is _Parameter.KEYWORD_ONLY):
            what = f"'{parameter.name}' with a default or by keyword only, so it is never passed"
        else:
            continue
        raise PluginError(
            "PluginInvalid",
            f"the hook {name}{signature} takes {what}",
            fix=f"take {' and '.join(given)}, or fewer, each by its name and without a default",
        )


def without_hooks(plugin: Any, name: str, source: Source) -> PluginError:
    """Return the error for an object that has no hooks."""
    kinds: tuple[type, ...] = (FunctionType, staticmethod, classmethod)
    plain = [
        hook
        for hook in hookspecs.NAMES
        if isinstance(inspect.getattr_static(plugin, hook, None), kinds)
    ]
    if plain:
        return PluginError(
            "PluginInvalid",
            f"{name} has {', '.join(plain)}, but not marked as hooks",
            fix="from fcplug import hookimpl, and put @hookimpl above each",
        )
    shape = "a function, a class or a module with hooks"
    if source.group == MIDDLEWARE:
        shape = "a class or a module with hooks marked @hookimpl(wrapper=True)"
    return PluginError("PluginInvalid", f"{name} has no hooks", fix=f"name {shape}")


def name_of(thing: Any) -> str:
    """Return the name of an object for error messages."""
    return str(getattr(thing, "__name__", None) or f"an object of type {type(thing).__name__}")
