"""A function's application: from its name in ``functions.yaml`` to what a web request calls."""

import inspect
from typing import TYPE_CHECKING, Any, cast

from fcplug import discovery
from fcplug.catalog import Catalog
from fcplug.config import FunctionSpec
from fcplug.discovery import ASGI, WSGI, Source
from fcplug.errors import PluginError
from fcplug.hooks import name_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load(catalog: Catalog, spec: FunctionSpec) -> "tuple[WSGIApplication, Source] | None":
    """Import a function's application, None if it has none.

    Raises:
        PluginError: there is no such thing, or it is no application of its kind.
    """
    if spec.application is None:
        return None
    group = WSGI if spec.wsgi else ASGI
    target, source = discovery.find(catalog, group, spec.application)
    try:
        with discovery.blamed(source):
            return _as_wsgi(group, target), source
    except PluginError:
        discovery.forget(source)
        raise


def _as_wsgi(group: str, target: Any) -> "WSGIApplication":
    """Return an application of either kind as one that can be called with an environ."""
    if not callable(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} cannot be called, and is no application",
            fix="name the application itself, as in shop:app",
        )
    if group == ASGI:
        raise PluginError(
            "PluginInvalid", "ASGI applications are not served yet", fix="name one of WSGI: wsgi"
        )
    if _is_coroutine(target):
        raise PluginError(
            "PluginInvalid",
            f"{name_of(target)} is a coroutine, as ASGI applications are",
            fix="name it by asgi instead of wsgi",
        )
    return cast("WSGIApplication", target)


def _is_coroutine(target: Any) -> bool:
    if inspect.isclass(target) or inspect.isroutine(target):
        return inspect.iscoroutinefunction(target)
    return inspect.iscoroutinefunction(type(target).__call__)
