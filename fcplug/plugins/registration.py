"""Register the plugins of one function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pluggy

from fcplug import hookspecs
from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.model import FunctionSpec
from fcplug.errors import PluginError
from fcplug.hookspecs import PROJECT
from fcplug.plugins import event_decoding, hooks
from fcplug.plugins.answering import answering
from fcplug.plugins.importer import HANDLERS, MIDDLEWARE, Source
from fcplug.plugins.settings import Settings
from fcplug.plugins.shared_hooks import SharedUse
from fcplug.result import message_of


class Registration:
    """The plugins of one function during their registration.

    Attributes:
        manager: the function's own plugin manager.
        use: the modules that the function shares with others.
    """

    def __init__(self, spec: FunctionSpec, event_loop: EventLoop, use: SharedUse) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.use = use
        self._function = spec.name
        self._event_loop = event_loop

    def add(self, target: Any, source: Source, settings: Settings) -> None:
        """Register a handler or middleware.

        A class is called with its settings.

        Raises:
            PluginError: it has no hooks, or one of them cannot work.
        """
        if inspect.isclass(target):
            plugin = settings.instantiate(target)
        else:
            plugin = target
            if source.group == MIDDLEWARE:
                name = hooks.name_of(target)
                settings.reject(f"{name} is not a class: only classes take settings")
        found = hooks.hooks_of(plugin)
        annotated = found.get("invoke")
        if not found and callable(plugin) and source.group == HANDLERS:
            found = hooks.hooks_of(hooks.FunctionHandler(plugin, self._complete))
            annotated = plugin
        if not found:
            raise hooks.without_hooks(plugin, hooks.name_of(target), source)
        self.use.add(source.module, plugin)
        for name, hook in found.items():
            found[name] = self._adapt(name, hook)
            if not inspect.isclass(target) and _is_shared(name, hook):
                found[name] = self.use.share(name, found[name], hook, source.module)
        if annotated is not None:
            found["invoke"] = event_decoding.typed(
                found["invoke"], annotated, plain=annotated is plugin
            )
        self.add_hooks(found, source)

    def add_function(self, name: str, function: Any, source: Source) -> None:
        """Register a plain function as one hook.

        Raises:
            PluginError: it is not a function, or cannot be called with a context.
        """
        plugin = hooks.FunctionHook(name, function, self._complete)
        self.use.add(source.module, plugin)
        hook = self._adapt(name, getattr(plugin, name))
        if _is_shared(name, getattr(plugin, name)):
            hook = self.use.share(name, hook, function, source.module)
        self.add_hooks({name: hook}, source)

    def add_hooks(self, found: Mapping[str, Callable[..., Any]], source: Source) -> None:
        """Register hooks that are ready to be called.

        Raises:
            PluginError: pluggy rejects one of them.
        """
        try:
            self.manager.register(_Registered(found, source))
            self.manager.check_pending()
        except pluggy.PluginValidationError as error:
            what = message_of(error).replace("\n", " ")
            raise PluginError("PluginInvalid", what, fix="correct the hook") from None

    def require_one_invoke(self) -> None:
        """Check that exactly one plugin answers events; middleware only wraps.

        Raises:
            PluginError: none does, or several do.
        """
        answering = [
            str(impl.plugin)
            for impl in self.manager.hook.invoke.get_hookimpls()
            if not hooks.wraps(impl.opts)
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
                fix="middleware must wrap: mark its invoke @hookimpl(wrapper=True)",
            )

    def _adapt(self, name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Return a checked hook as one that pluggy can call: it returns no awaitable."""
        hooks.check(name, hook)
        if inspect.iscoroutinefunction(hook):
            return self._event_loop.synchronous(hook, self._function)
        wraps = hooks.wraps(getattr(hook, hooks.MARK))
        if hasattr(hook, "__wrapped__") and not wraps:
            return self._event_loop.completing(hook, self._function)
        return answering(hook) if wraps and name == "invoke" else hook

    def _complete(self, result: Any) -> Any:
        return self._event_loop.complete(result, self._function)


class _Registered:
    """The hooks of one plugin, as pluggy sees them; a new object even for the same plugin."""

    def __init__(self, found: Mapping[str, Callable[..., Any]], source: Source) -> None:
        vars(self).update(found)
        self._hooks = list(found)
        self._source = source

    def __dir__(self) -> list[str]:
        return self._hooks  # pluggy looks no further

    def __str__(self) -> str:
        return str(self._source)


def _is_shared(name: str, hook: Callable[..., Any]) -> bool:
    """Return whether a hook of a module runs once for all functions that use it.

    Wrappers are not shared: each one wraps the hooks of one function.
    """
    return name in ("initialize", "pre_stop") and not hooks.wraps(getattr(hook, hooks.MARK))
