"""A function's application: from its name in ``functions.yaml`` to what a web request calls."""

import inspect
from typing import TYPE_CHECKING, Any, cast

from fcplug import discovery
from fcplug.catalog import Catalog
from fcplug.config import FunctionSpec
from fcplug.discovery import ASGI, WSGI, Source
from fcplug.errors import PluginError
from fcplug.eventloop import EventLoop
from fcplug.hooks import name_of

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
    target, source = discovery.find(catalog, group, spec.application)
    try:
        with discovery.blamed(source):
            if group == ASGI:
                return _asgi(target, event_loop, spec.name), source
            return _wsgi(target), source
    except PluginError:
        discovery.forget(source)
        raise


def _asgi(target: Any, event_loop: EventLoop, function: str) -> "WSGIApplication":
    from fcplug.asgi import Application  # asyncio, for those who use it  # noqa: PLC0415

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
