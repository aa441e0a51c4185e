"""A function's application: from its name in ``functions.yaml`` to what a web request calls."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.loader import FunctionSpec
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.hookspecs import hookimpl
from fcplug.plugins import importer
from fcplug.plugins.entry_points import Catalog
from fcplug.plugins.hooks import name_of
from fcplug.plugins.importer import ASGI, WSGI, Source
from fcplug.plugins.shared_hooks import SharedUse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load(
    catalog: Catalog, spec: FunctionSpec, event_loop: EventLoop
) -> "tuple[WSGIApplication, Source] | None":
    """Import a function's application, None if it has none; one of ASGI has hooks, too.

    Raises:
        PluginError: there is no such thing, or it is no application of its kind.
    """
    if spec.application is None:
        return None
    group = WSGI if spec.wsgi else ASGI
    target, source = importer.find(catalog, group, spec.application)
    try:
        with importer.blamed(source):
            if group == ASGI:
                return _asgi(target, event_loop, spec.name), source
            return _wsgi(target), source
    except PluginError:
        importer.forget(source)
        raise


def lifespan_hooks(
    application: Any, source: Source, use: SharedUse
) -> dict[str, Callable[..., Any]]:
    """Return the hooks of an ASGI application: its lifespan, which all its functions share."""

    @hookimpl
    def begin(context: Context) -> Any:
        application.initialize(context)
        return application.lifespan

    begin = use.share("initialize", begin, application.target, source.module)
    end = use.share("pre_stop", application.pre_stop, application.target, source.module)

    @hookimpl
    def initialize(context: Context) -> None:
        application.lifespan = begin(context)

    return {"initialize": initialize, "pre_stop": end}


def _asgi(target: Any, event_loop: EventLoop, function: str) -> "WSGIApplication":
    from fcplug.web.asgi import Application  # asyncio, for those who use it  # noqa: PLC0415

    if not _is_coroutine(_callable(target)):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} is no coroutine, as ASGI 3 applications are",
            fix="name it by wsgi instead of asgi, or name the application that it makes",
        )
    return Application(target, event_loop, function)


def _wsgi(target: Any) -> "WSGIApplication":
    if _is_coroutine(_callable(target)):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} is a coroutine, as ASGI applications are",
            fix="name it by asgi instead of wsgi",
        )
    return cast("WSGIApplication", target)


def _callable(target: Any) -> Any:
    if not callable(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} cannot be called, and is no application",
            fix="name the application itself, as in shop:app",
        )
    return target


def _is_coroutine(target: Any) -> bool:
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(type(target).__call__)
