"""Load the plugins of one function."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pluggy

from fcplug import hookspecs
from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.document import Document
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.plugins import application, definition, importer, slow_import
from fcplug.plugins.answering import answer_of
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import HANDLERS, MIDDLEWARE, Source
from fcplug.plugins.registration import Registration
from fcplug.plugins.settings import Settings
from fcplug.plugins.shared_hooks import SharedHooks, SharedUse
from fcplug.web.environ import Environs
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from fcplug.web.wsgi_call import Caller


class Plugins:
    """The middleware, handler and application of one function.

    Attributes:
        hook: calls a hook of all plugins, in the order of ``functions.yaml``.
        invoke: answers one event; a handler on a thread must watch the deadline itself.
        package: the distribution and version of the handler, or else of the application.
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
        self._application = application and _caller(application)
        self._environs = environs
        self._use = use
        self.invoke = _direct(manager)

    @property
    def shared_hooks(self) -> Set[object]:
        """Identifies the hooks that other functions may share.

        Equal sets mean the same hooks.
        """
        return self._use.hooks

    @property
    def shared_hooks_in_use(self) -> bool:
        """Whether any module with these hooks is in use."""
        return self._use.hooks_in_use

    def initialize(self, context: Context) -> Any:
        """Run the initialize hooks and return the handler's result.

        Hooks of a module that is already in use are not run again; their result is reused.
        """
        self._use.join()
        try:
            results = self.hook.initialize(context=context)
        except BaseException:
            with self._use.leaving():
                raise
        if isinstance(results, list):
            return results[-1] if results else b""
        return b"" if results is None else results  # from a wrapper that replaced the list

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request.

        The body must be read and closed on the caller's thread.
        """
        if self._application is None:
            raise TypeError("this function has no application")  # its caller checks that first
        return self._application.call(self._environs.build(environ, context))

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks."""
        self.hook.pre_freeze(context=context)

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks; those of a module in use wait for its last user."""
        with self._use.leaving():
            self.hook.pre_stop(context=context)

    def close(self) -> None:
        """Do nothing: plugins in this process end with it."""

    def implements(self, hook: str) -> bool:
        """Return whether a plugin has this hook.

        Also True for ``pre_stop`` if a stored hook of another function has to run.
        """
        caller: pluggy.HookCaller = getattr(self.hook, hook)
        return bool(caller.get_hookimpls()) or (hook == "pre_stop" and self._use.stops_left)


class Loader:
    """Loads the plugins of functions, with one entry-point index."""

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
        """Import a function's plugins, and register them.

        Raises:
            PluginError: a plugin is missing, broken or unsuitable; the error names it and the fix.
                The next call imports everything again.
        """
        try:
            with slow_import.reported(spec.name):
                return self._load(spec)
        except PluginError:
            self._index.clear()
            raise

    def _load(self, spec: FunctionSpec) -> Plugins:
        registration = Registration(spec, self._event_loop, SharedUse(self._shared))
        sources: list[Source] = []
        if spec.handler is not None:
            target, handler = importer.resolve(self._index, HANDLERS, spec.handler)
            settings = self._settings(spec.settings, ("functions", spec.name, "settings"))
            with self._attributed_to(handler, target):
                registration.add(target, handler, settings)
            sources.append(handler)
        loaded = application.load(self._index, spec, self._event_loop)
        if loaded:
            sources.append(loaded[1])
        self._add_keys(spec, registration, sources)
        if loaded:
            registration.use.add(loaded[1].module, loaded[0])
        if loaded and spec.asgi:
            hooks = application.lifespan_hooks(loaded[0], loaded[1], registration.use)
            registration.add_hooks(hooks, loaded[1])
        if spec.handler is not None:
            self._add_middleware(spec, registration)
            with self._attributed_to(handler, target):
                registration.require_one_invoke()
        environs = Environs(self._environ, exposed=spec.expose_credentials)
        called = loaded[0] if loaded else None
        return Plugins(registration.manager, sources[0].package, called, environs, registration.use)

    def _add_keys(
        self, spec: FunctionSpec, registration: Registration, others: Sequence[Source]
    ) -> None:
        """Register the functions that keys such as ``initializer`` name, each as one hook."""
        for key, hook in hookspecs.KEYS.items():
            if (reference := getattr(spec, key)) is None:
                continue
            try:
                target, source = importer.resolve(self._index, key, reference)
                with self._attributed_to(source, target):
                    if getattr(registration.manager.hook, hook).get_hookimpls():
                        what = f"the {others[0]} has the hook '{hook}' itself"
                        fix = f"remove '{key}' from functions.yaml, or the hook"
                        raise PluginError("PluginInvalid", f"{what}, and '{key}' too", fix=fix)
                    registration.add_function(hook, target, source)
            except PluginError:
                for other in others:
                    importer.unload(other)  # the file to be corrected may be the same
                raise

    def _add_middleware(self, spec: FunctionSpec, registration: Registration) -> None:
        if not spec.middleware:
            return
        path: Path = ("functions", spec.name)
        if (*path, "middleware") not in self._document.locations:
            path = ("defaults",)
        # pluggy calls the last registered plugin first, so the outermost middleware comes last
        for index, item in reversed(list(enumerate(spec.middleware))):
            target, source = importer.resolve(self._index, MIDDLEWARE, item.name)
            settings = self._settings(item.settings, (*path, "middleware", index, "settings"))
            with self._attributed_to(source, target):
                registration.add(target, source, settings)

    @contextmanager
    def _attributed_to(self, source: Source, target: Any) -> Iterator[None]:
        """Name the plugin in errors; unload a broken one, so that it can be imported again."""
        try:
            with importer.attributed_to(source, lambda: definition.location(target, source)):
                yield
        except PluginError:
            importer.unload(source)
            raise

    def _settings(self, values: Mapping[str, Any], path: Path) -> Settings:
        return Settings(self._document, values, path)


def _direct(manager: pluggy.PluginManager) -> Callable[[bytes, Context], Any]:
    """Return the handler's hook if nothing wraps it, else a call of all hooks by pluggy."""
    hook = manager.hook.invoke
    implementations = hook.get_hookimpls()
    if len(implementations) == 1 and implementations[0].argnames == ("event", "context"):
        alone: Callable[[bytes, Context], Any] = implementations[0].function
        return alone
    return lambda event, context: answer_of(lambda: hook(event=event, context=context))


def _caller(application: "WSGIApplication") -> "Caller":
    from fcplug.web.wsgi_call import Caller  # noqa: PLC0415 - functions for events need none of it

    return Caller(application)
