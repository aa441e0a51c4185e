"""The plugins of one function: from its entry in the configuration to hooks that can be called."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from fcplug import hookspecs
from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.document import Document
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.hookspecs import PROJECT
from fcplug.plugins import application, definition, hooks, importer, slow_import
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import HANDLERS, MIDDLEWARE, Source
from fcplug.plugins.settings import Settings
from fcplug.plugins.shared_hooks import SharedHooks, SharedUse
from fcplug.result import message_of
from fcplug.web import wsgi_call
from fcplug.web.environ import Environs
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class Plugins:
    """A function's middleware and handler behind a plugin manager of their own; its application.

    Attributes:
        hook: calls a hook of all of them, in the order of ``functions.yaml``.
        invoke: answers one event; a deadline is the handler's to heed, as no thread can be stopped.
        package: the distribution and version that the handler, else the application, comes from.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        package: str,
        application: "WSGIApplication | None",
        environs: Environs,
        use: SharedUse,
    ) -> None:
        self.hook = manager.hook
        self.package = package
        self._application = application and wsgi_call.Caller(application)
        self._environs = environs
        self._use = use
        self.invoke = _direct(manager)

    @property
    def shared_hooks(self) -> Set[object]:
        """The hooks that other functions may share; equal where they are the same."""
        return self._use.hooks

    @property
    def shared_hooks_in_use(self) -> bool:
        """Whether some of these hooks belong to a module that is in use now."""
        return self._use.hooks_in_use

    def initialize(self, context: Context) -> Any:
        """Run the initialize hooks, and return what the handler's own returned.

        Those of a module that is in use already have run, and their result is known.
        """
        self._use.join()
        try:
            results = self.hook.initialize(context=context)
        except BaseException:
            with self._use.leaving():
                raise
        if isinstance(results, list):
            return results[-1] if results else b""
        return b"" if results is None else results  # a wrapper's own

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request by the application, on the caller's thread to the body's end."""
        assert self._application is not None  # noqa: S101 - its function asks only if there is one
        return self._application.call(self._environs.make(environ, context))

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks."""
        self.hook.pre_freeze(context=context)

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks; those of a module that is still in use wait for its last user."""
        with self._use.leaving():
            self.hook.pre_stop(context=context)

    def close(self) -> None:
        """Do nothing: what runs here ends with the process."""

    def implements(self, hook: str) -> bool:
        """Tell whether any of the plugins has this hook, or one is left for it to run."""
        caller: pluggy.HookCaller = getattr(self.hook, hook)
        return bool(caller.get_hookimpls()) or (hook == "pre_stop" and self._use.stops_left)


class _Build(NamedTuple):
    """A function's plugins while they are put together."""

    spec: FunctionSpec
    manager: pluggy.PluginManager
    use: SharedUse


class Loader:
    """Makes the plugins of functions; what they share is looked up once."""

    def __init__(
        self,
        document: Document,
        event_loop: EventLoop,
        environ: Mapping[str, str],
        shared: SharedHooks,
    ) -> None:
        self._document = document
        self._index = EntryPointIndex()
        self._event_loop = event_loop
        self._environ = environ
        self._shared = shared

    def load(self, spec: FunctionSpec) -> Plugins:
        """Import a function's plugins and put them behind their own plugin manager.

        Raises:
            PluginError: one of them is missing, broken, or does not fit; it says which and how to
                mend it. The next call looks at everything afresh.
        """
        try:
            with slow_import.reported(spec.name):
                return self._load(spec)
        except PluginError:
            self._index.clear()
            raise

    def _load(self, spec: FunctionSpec) -> Plugins:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(hookspecs)
        build = _Build(spec, manager, SharedUse(self._shared))
        sources: list[Source] = []
        if spec.handler is not None:
            target, handler = importer.resolve(self._index, HANDLERS, spec.handler)
            with self._attributed_to(handler, target):
                settings = self._settings(spec.settings, ("functions", spec.name, "settings"))
                self._register(build, target, handler, settings)
            sources.append(handler)
        loaded = application.load(self._index, spec, self._event_loop)
        if loaded:
            sources.append(loaded[1])
        self._register_keys(build, sources)
        if loaded:
            build.use.add(loaded[1].module, loaded[0])
        if loaded and spec.asgi:
            found = application.lifespan_hooks(loaded[0], loaded[1], build.use)
            manager.register(_Registered(found, loaded[1]))
        if spec.handler is not None:
            self._register_middleware(build)
            with self._attributed_to(handler, target):
                _require_one_invoke(manager)
        environs = Environs(self._environ, exposed=spec.expose_credentials)
        answers = loaded[0] if loaded else None
        return Plugins(manager, sources[0].package, answers, environs, build.use)

    def _register_keys(self, build: _Build, beside: Sequence[Source]) -> None:
        """Register the code that keys beside the handler name, each for one hook."""
        spec, manager = build.spec, build.manager
        for key, hook in hookspecs.KEYS.items():
            if (reference := getattr(spec, key)) is None:
                continue
            try:
                target, source = importer.resolve(self._index, key, reference)
                with self._attributed_to(source, target):
                    if getattr(manager.hook, hook).get_hookimpls():
                        what = f"the {beside[0]} has the hook '{hook}' itself"
                        fix = f"remove '{key}' from functions.yaml, or the hook"
                        raise PluginError("PluginInvalid", f"{what}, and '{key}' too", fix=fix)
                    plugin = hooks.FunctionHook(hook, target, self._completer(spec.name))
                    self._register(build, plugin, source, self._settings({}, ()))
            except PluginError:
                for each in beside:
                    importer.unload(each)  # it may be the same file that has to be corrected
                raise

    def _register_middleware(self, build: _Build) -> None:
        spec = build.spec
        path: Path = ("functions", spec.name)
        if (*path, "middleware") not in self._document.locations:
            path = ("defaults",)
        # pluggy calls the last registered first, so the outermost middleware comes last
        for index, item in reversed(list(enumerate(spec.middleware))):
            target, source = importer.resolve(self._index, MIDDLEWARE, item.name)
            settings = self._settings(item.settings, (*path, "middleware", index, "settings"))
            with self._attributed_to(source, target):
                self._register(build, target, source, settings)

    @contextmanager
    def _attributed_to(self, source: Source, target: Any) -> Iterator[None]:
        try:
            with importer.attributed_to(source, lambda: definition.location(target, source)):
                yield
        except PluginError:
            importer.unload(source)
            raise

    def _register(self, build: _Build, target: Any, source: Source, settings: Settings) -> None:
        manager = build.manager
        if inspect.isclass(target):
            plugin = settings.instantiate(target)
        else:
            plugin = target
            if source.group == MIDDLEWARE:
                settings.reject(f"{hooks.name_of(target)} is no class: only classes take settings")
        found = hooks.hooks_of(plugin)
        annotated = found.get("invoke")
        if not found and callable(plugin) and source.group == HANDLERS:
            handler = hooks.FunctionHandler(plugin, self._completer(build.spec.name))
            found, annotated = hooks.hooks_of(handler), plugin
        if not found:
            raise hooks.without_hooks(plugin, hooks.name_of(target), source)
        build.use.add(source.module, plugin)
        for name, hook in found.items():
            hooks.check(name, hook)
            if inspect.iscoroutinefunction(hook):
                found[name] = self._event_loop.synchronous(hook, build.spec.name)
            elif hasattr(hook, "__wrapped__") and not hooks.wraps(getattr(hook, hooks.MARK)):
                found[name] = self._event_loop.completing(hook, build.spec.name)
            if _is_shared(name, hook, target):
                written = plugin.function if isinstance(plugin, hooks.FunctionHook) else hook
                found[name] = build.use.share(name, found[name], written, source.module)
        if annotated is not None:
            found["invoke"] = hooks.typed(found["invoke"], annotated, plain=annotated is plugin)
        try:
            manager.register(_Registered(found, source))
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            what = message_of(error).replace("\n", " ")
            raise PluginError("PluginInvalid", what, fix="correct the hook") from None

    def _completer(self, function: str) -> Callable[[Any], Any]:
        return lambda result: self._event_loop.complete(result, function)

    def _settings(self, values: Mapping[str, Any], path: Path) -> Settings:
        return Settings(self._document, values, path)


class _Registered:
    """What pluggy sees of a plugin: its hooks. Like no other, though it were registered twice."""

    def __init__(self, found: Mapping[str, Callable[..., Any]], source: Source) -> None:
        vars(self).update(found)
        self._hooks = list(found)
        self._source = source

    def __dir__(self) -> list[str]:
        return self._hooks  # pluggy looks no further

    def __str__(self) -> str:
        return str(self._source)


def _is_shared(name: str, hook: Callable[..., Any], target: Any) -> bool:
    """Return whether a hook runs once for all functions that use it.

    Wrappers are not: each is around the hooks of one function.
    """
    if inspect.isclass(target) or hooks.wraps(getattr(hook, hooks.MARK)):
        return False
    return name in ("initialize", "pre_stop")


def _direct(manager: pluggy.PluginManager) -> Callable[[bytes, Context], Any]:
    """Return what answers an event: pluggy, or the handler's own hook if nothing is around it."""
    hook = manager.hook.invoke
    implementations = hook.get_hookimpls()
    if len(implementations) == 1 and implementations[0].argnames == ("event", "context"):
        alone: Callable[[bytes, Context], Any] = implementations[0].function
        return alone
    return lambda event, context: hook(event=event, context=context)


def _require_one_invoke(manager: pluggy.PluginManager) -> None:
    answering = [
        str(impl.plugin)
        for impl in manager.hook.invoke.get_hookimpls()
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
            fix="middleware wraps: mark its invoke @hookimpl(wrapper=True)",
        )
