"""Load a function's WSGI or ASGI application."""

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.hookspecs import hookimpl
from fcplug.plugins import definition, importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.hooks import binds, name_of
from fcplug.plugins.importer import ASGI, WSGI, Source
from fcplug.plugins.shared_hooks import SharedUse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load(
    index: EntryPointIndex, spec: FunctionSpec, event_loop: EventLoop
) -> "tuple[WSGIApplication, Source] | None":
    """Import and check a function's application; None if it has none.

    Raises:
        PluginError: it does not exist, or is not a WSGI or ASGI application as configured.
    """
    if spec.application is None:
        return None
    group = WSGI if spec.wsgi else ASGI
    target, source = importer.resolve(index, group, spec.application)
    try:
        with importer.attributed_to(source, lambda: definition.location(target, source)):
            if group == ASGI:
                return _asgi(target, event_loop, spec.name), source
            return _wsgi(target), source
    except PluginError:
        importer.unload(source)
        raise


def lifespan_hooks(
    application: Any, source: Source, use: SharedUse
) -> dict[str, Callable[..., Any]]:
    """Return an ASGI application's lifespan as hooks.

    They run once for all functions of the application.
    """

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
    from fcplug.web.asgi import Application  # asyncio, only where it is used  # noqa: PLC0415

    _check_callable(target)
    if not _is_coroutine(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} is not a coroutine function, as ASGI 3 applications are",
            fix="use the key wsgi instead of asgi, or name the application that it creates",
        )
    _check_signature(target, ("scope", "receive", "send"))
    return Application(target, event_loop, function)


def _wsgi(target: Any) -> "WSGIApplication":
    _check_callable(target)
    if _is_coroutine(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} is a coroutine function, as ASGI applications are",
            fix="use the key asgi instead of wsgi",
        )
    _check_signature(target, ("environ", "start_response"))
    return cast("WSGIApplication", target)


def _check_callable(target: Any) -> None:
    if not callable(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} cannot be called, so it is not an application",
            fix="name the application itself, as in shop:app",
        )


def _check_signature(function: Callable[..., Any], given: Sequence[str]) -> None:
    """Check that an application accepts the positional arguments of its interface.

    Raises:
        PluginError: it needs more arguments, or accepts fewer.
    """
    try:
        # a decorator may pass other arguments to the wrapped function than it takes itself
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # written in C, without a signature
        return
    if binds(signature, len(given)):
        return
    name, takes = name_of(function), given
    if not inspect.isroutine(function):
        name = "__init__" if inspect.isclass(function) else "__call__"
        takes = ["self", *given]
    fix = f"def {name}({', '.join(takes)})"
    if binds(signature, 0):
        fix = "name the application that it creates: app = create_app(), then module:app"
    raise PluginError(
        "PluginInvalid",
        f"{name_of(function)}{signature} cannot be called with {', '.join(given)}",
        fix=fix,
    )


def _is_coroutine(target: Any) -> bool:
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(type(target).__call__)
