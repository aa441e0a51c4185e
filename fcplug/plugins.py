"""The plugins of one function: from its entry in the configuration to hooks that can be called."""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy

from fcplug import discovery, hookspecs
from fcplug.config import FunctionSpec
from fcplug.discovery import HANDLERS, MIDDLEWARE, Catalog, Source
from fcplug.document import Document, Path
from fcplug.errors import PluginError, did_you_mean
from fcplug.eventloop import EventLoop
from fcplug.hookspecs import PROJECT, hookimpl
from fcplug.result import message_of
from fcplug.settings import Settings

_MARK = f"{PROJECT}_impl"
_Parameter = inspect.Parameter


class Plugins:
    """A function's middleware and its one handler behind a plugin manager of their own.

    Attributes:
        hook: calls a hook of all of them, in the order of ``functions.yaml``.
        handler: where the handler comes from.
    """

    def __init__(self, manager: pluggy.PluginManager, handler: Source) -> None:
        self.hook = manager.hook
        self.handler = handler

    def implements(self, hook: str) -> bool:
        """Tell whether any of the plugins has this hook."""
        caller: pluggy.HookCaller = getattr(self.hook, hook)
        return bool(caller.get_hookimpls())


class Loader:
    """Makes the plugins of functions; what they share is looked up once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._catalog = Catalog()
        self._event_loop = EventLoop()

    def load(self, spec: FunctionSpec) -> Plugins:
        """Import a function's plugins and put them behind their own plugin manager.

        Raises:
            PluginError: one of them is missing, broken, or does not fit; it says which and how to
                mend it. The next call looks at everything afresh.
        """
        try:
            return self._load(spec)
        except PluginError:
            self._catalog.forget()
            raise

    def _load(self, spec: FunctionSpec) -> Plugins:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(hookspecs)
        path: Path = ("functions", spec.name)
        target, handler = discovery.find(self._catalog, HANDLERS, spec.handler)
        wanted = [(target, handler, spec.settings, (*path, "settings"))]
        for index, item in enumerate(spec.middleware):
            target, source = discovery.find(self._catalog, MIDDLEWARE, item.name)
            way = (*path, "middleware", index, "settings")
            wanted.insert(1, (target, source, item.settings, way))
        # pluggy calls the last registered first, so the outermost middleware comes last
        for target, source, settings, way in wanted:
            try:
                self._register(manager, target, source, self._settings(settings, way))
            except PluginError as error:
                raise error.located(f"{source}{_file_of(target)}") from error.__cause__
        _require_one_invoke(manager, handler)
        return Plugins(manager, handler)

    def _register(
        self, manager: pluggy.PluginManager, target: Any, source: Source, settings: Settings
    ) -> None:
        plugin = settings.instance(target) if inspect.isclass(target) else target
        hooks = _hooks(plugin)
        if not hooks and callable(plugin) and source.group == HANDLERS:
            hooks = _hooks(_FunctionHandler(plugin))
        if not hooks:
            raise _without_hooks(plugin, source)
        for name, hook in hooks.items():
            if inspect.iscoroutinefunction(hook):
                hooks[name] = self._event_loop.synchronous(hook)
            elif inspect.isgeneratorfunction(hook) and not _wraps(getattr(hook, _MARK)):
                raise PluginError(
                    "PluginInvalid",
                    f"the hook '{name}' yields, and is no wrapper",
                    fix="mark it @hookimpl(wrapper=True), or return a value",
                )
        try:
            manager.register(SimpleNamespace(**hooks), name=str(source))
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise _misfit(error, hooks) from error

    def _settings(self, values: Mapping[str, Any], path: Path) -> Settings:
        return Settings(self._document, values, path)


class _FunctionHandler:
    """A plain function as a plugin; FC calls it by position, whatever its parameters are called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        given = _positions(function)
        if inspect.iscoroutinefunction(function):

            async def invoke(event: bytes, context: Any) -> Any:
                return await function(*given(event, context))
        else:

            def invoke(event: bytes, context: Any) -> Any:  # type: ignore[misc]
                return function(*given(event, context))

        self.invoke = hookimpl(invoke)


def _positions(function: Callable[..., Any]) -> Callable[[Any, Any], tuple[Any, ...]]:
    """Return what picks the arguments a function takes of event and context.

    Raises:
        PluginError: the function cannot be called with these two.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # written in C and silent about itself
        return lambda event, context: (event, context)
    by_position = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in by_position]
    needed = [p for p in positional if p.default is _Parameter.empty]
    keywords = [
        p.name
        for p in parameters
        if p.kind is _Parameter.KEYWORD_ONLY and p.default is _Parameter.empty
    ]
    if len(needed) > 2 or keywords:
        raise PluginError(
            "PluginInvalid",
            f"{_name_of(function)}{inspect.signature(function)} cannot be called with an event and "
            "a context",
            fix=f"def {_name_of(function)}(event, context)",
        )
    takes_rest = any(p.kind is _Parameter.VAR_POSITIONAL for p in parameters)
    if len(positional) >= 2 or takes_rest:
        return lambda event, context: (event, context)
    if [p.name for p in positional] == ["context"]:
        return lambda _, context: (context,)
    if positional:
        return lambda event, _: (event,)
    return lambda _event, _context: ()


def _hooks(plugin: Any) -> dict[str, Callable[..., Any]]:
    """Return the marked hooks of a plugin; properties and the like are left alone."""
    hooks = {}
    for name in dir(plugin):
        found = inspect.getattr_static(plugin, name, None)
        if hasattr(getattr(found, "__func__", found), _MARK):
            hooks[name] = getattr(plugin, name)
    return hooks


def _wraps(options: Mapping[str, Any]) -> bool:
    return bool(options["wrapper"] or options["hookwrapper"])


def _without_hooks(plugin: Any, source: Source) -> PluginError:
    plain = [name for name in hookspecs.NAMES if callable(getattr(plugin, name, None))]
    if plain:
        return PluginError(
            "PluginInvalid",
            f"{_name_of(plugin)} has {', '.join(plain)}, not marked as hooks",
            fix="from fcplug import hookimpl, and put @hookimpl above each",
        )
    shape = "a function, a class or a module with hooks"
    if source.group == MIDDLEWARE:
        shape = "a class or a module with hooks marked @hookimpl(wrapper=True)"
    return PluginError(
        "PluginInvalid",
        f"{_name_of(plugin)} has no hooks; it is a {type(plugin).__name__}",
        fix=f"name {shape}",
    )


def _misfit(error: pluggy.PluginValidationError, hooks: Mapping[str, Any]) -> PluginError:
    """Say what pluggy refused, and what it should look like."""
    unknown = [name for name in hooks if name not in hookspecs.NAMES]
    if unknown:
        expected = ", ".join(hookspecs.NAMES)
        return PluginError(
            "PluginInvalid",
            f"unknown hook '{unknown[0]}'{did_you_mean(unknown[0], hookspecs.NAMES)}",
            fix=f"the hooks are {expected}",
        )
    signatures = "; ".join(
        f"{name}{inspect.signature(getattr(hookspecs, name))}"
        for name in hooks
        if hasattr(hookspecs, name)
    )
    what = message_of(error).replace("\n", " ")
    return PluginError("PluginInvalid", what, fix=f"take arguments of these names: {signatures}")


def _require_one_invoke(manager: pluggy.PluginManager, handler: Source) -> None:
    answering = [
        impl.plugin_name for impl in manager.hook.invoke.get_hookimpls() if not _wraps(impl.opts)
    ]
    if not answering:
        raise PluginError(
            "PluginInvalid",
            f"{handler} has no hook that answers an event",
            fix="give it one: @hookimpl def invoke(event, context)",
        )
    if len(answering) > 1:
        raise PluginError(
            "PluginInvalid",
            f"{len(answering)} plugins answer the event: {' and '.join(answering)}",
            fix="middleware wraps: mark its invoke @hookimpl(wrapper=True)",
        )


def _name_of(thing: Any) -> str:
    if isinstance(thing, ModuleType) or hasattr(thing, "__name__"):
        return str(thing.__name__)
    return type(thing).__name__


def _file_of(target: Any) -> str:
    """Return the line where a plugin is defined, for its error."""
    target = inspect.unwrap(target) if callable(target) else target
    try:
        file, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except (TypeError, OSError):
        module = inspect.getmodule(target)
        file, line = getattr(module, "__file__", None), 0
    return f", {file}:{max(line, 1)}" if file else ""
