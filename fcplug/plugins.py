"""The plugins of one function: from its entry in the configuration to hooks that can be called."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, MethodType
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
        if (*path, "middleware") not in self._document.places:
            path = ("defaults",)
        for index, item in enumerate(spec.middleware):
            target, source = discovery.find(self._catalog, MIDDLEWARE, item.name)
            way = (*path, "middleware", index, "settings")
            wanted.insert(1, (target, source, item.settings, way))
        # pluggy calls the last registered first, so the outermost middleware comes last
        for target, source, settings, way in wanted:
            with self._blamed(source, target):
                self._register(manager, target, source, self._settings(settings, way))
        with self._blamed(handler, wanted[0][0]):
            _require_one_invoke(manager)
        return Plugins(manager, handler)

    @contextmanager
    def _blamed(self, source: Source, target: Any) -> Iterator[None]:
        try:
            with discovery.blamed(source, lambda: _file_of(target, source)):
                yield
        except PluginError:
            discovery.forget(source)
            raise

    def _register(
        self, manager: pluggy.PluginManager, target: Any, source: Source, settings: Settings
    ) -> None:
        if inspect.isclass(target):
            plugin = settings.instance(target)
        else:
            plugin = target
            if source.group == MIDDLEWARE:
                settings.refuse(f"{_name_of(target)} is no class: only classes take settings")
        hooks = _hooks(plugin)
        if not hooks and callable(plugin) and source.group == HANDLERS:
            hooks = _hooks(_FunctionHandler(plugin))
        if not hooks:
            raise _without_hooks(plugin, _name_of(target), source)
        for name, hook in hooks.items():
            _check(name, hook)
            if inspect.iscoroutinefunction(hook):
                hooks[name] = self._event_loop.synchronous(hook)
        try:
            manager.register(_Registered(hooks, source))
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            what = message_of(error).replace("\n", " ")
            raise PluginError("PluginInvalid", what, fix="correct the hook") from None

    def _settings(self, values: Mapping[str, Any], path: Path) -> Settings:
        return Settings(self._document, values, path)


class _Registered:
    """What pluggy sees of a plugin: its hooks. Like no other, though it were registered twice."""

    def __init__(self, hooks: Mapping[str, Callable[..., Any]], source: Source) -> None:
        vars(self).update(hooks)
        self._hooks = list(hooks)
        self._source = source

    def __dir__(self) -> list[str]:
        return self._hooks  # pluggy looks no further

    def __str__(self) -> str:
        return str(self._source)


class _FunctionHandler:
    """A plain function as a plugin; FC calls it by position, whatever its parameters are called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        given = _positions(function)
        is_async = inspect.iscoroutinefunction
        if is_async(function) or is_async(type(function).__call__):

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
        setattr(getattr(hook, "__func__", hook), _MARK, options)
        hooks[name] = hook
    return hooks


def _options(found: Any) -> Mapping[str, Any] | None:
    """Return what ``@hookimpl`` noted, above or below ``@staticmethod`` and ``@classmethod``."""
    options: Mapping[str, Any] | None = inspect.getattr_static(found, _MARK, None)
    if options is None and isinstance(found, staticmethod | classmethod | MethodType):
        return _options(found.__func__)
    return options


def _wraps(options: Mapping[str, Any]) -> bool:
    return bool(options["wrapper"] or options["hookwrapper"])


def _check(name: str, hook: Callable[..., Any]) -> None:
    """Refuse a hook that could not be called, or never would be."""
    options = getattr(hook, _MARK)
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
    if _wraps(options) and (is_async or not yields):
        raise PluginError(
            "PluginInvalid",
            f"the wrapper '{name}' {'is async' if is_async else 'does not yield'}",
            fix="a wrapper is a plain def with one: result = yield",
        )
    if yields and not _wraps(options):
        raise PluginError(
            "PluginInvalid",
            f"the hook '{name}' yields, and is no wrapper",
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
            what = f"'{parameter.name}'{did_you_mean(parameter.name, given)}, which nobody gives it"
        elif parameter.name in given and (optional or parameter.kind is _Parameter.KEYWORD_ONLY):
            what = f"'{parameter.name}' with a default or by keyword only, and never gets it"
        else:
            continue
        raise PluginError(
            "PluginInvalid",
            f"the hook {name}{signature} takes {what}",
            fix=f"take {' and '.join(given)}, or fewer: each by its name, without a default",
        )


def _without_hooks(plugin: Any, name: str, source: Source) -> PluginError:
    kinds: tuple[type, ...] = (FunctionType, staticmethod, classmethod)
    plain = [
        hook
        for hook in hookspecs.NAMES
        if isinstance(inspect.getattr_static(plugin, hook, None), kinds)
    ]
    if plain:
        return PluginError(
            "PluginInvalid",
            f"{name} has {', '.join(plain)}, not marked as hooks",
            fix="from fcplug import hookimpl, and put @hookimpl above each",
        )
    shape = "a function, a class or a module with hooks"
    if source.group == MIDDLEWARE:
        shape = "a class or a module with hooks marked @hookimpl(wrapper=True)"
    return PluginError("PluginInvalid", f"{name} has no hooks", fix=f"name {shape}")


def _require_one_invoke(manager: pluggy.PluginManager) -> None:
    answering = [
        str(impl.plugin) for impl in manager.hook.invoke.get_hookimpls() if not _wraps(impl.opts)
    ]
    if not answering:
        raise PluginError(
            "PluginInvalid",
            "no hook answers an event",
            fix="give the handler one: @hookimpl def invoke(event, context)",
        )
    if len(answering) > 1:
        raise PluginError(
            "PluginInvalid",
            f"{len(answering)} plugins answer the event: {' and '.join(answering)}",
            fix="middleware wraps: mark its invoke @hookimpl(wrapper=True)",
        )


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "__name__", None) or f"an object of type {type(thing).__name__}")


def _file_of(target: Any, source: Source) -> str:
    """Return the line where a plugin is defined, for its error."""
    try:
        target = inspect.unwrap(target) if callable(target) else target
        file, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except Exception:  # neither a function nor a class, or its source is gone
        file, line = source.file, 0
    return f", {file}:{max(line, 1)}" if file else ""
