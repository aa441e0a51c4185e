"""The hooks of a plugin, in the order in which they are called.

A hook can be a plain function or an ``async def``, and can leave out arguments of its
specification. Middleware implements the same hooks as wrappers
(``@hookimpl(wrapper=True)``: code, one ``result = yield``, code, ``return result``).
"""

from typing import Any

import pluggy

from fcplug.context import Context

PROJECT = "fcplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def initialize(context: Context) -> object:
    """Prepare the function: open connections, load a model.

    Called on FC's ``POST /initialize`` or, if no initializer is configured in FC, before the first
    invocation. Invocations wait for it. A class is initialized once for each function that names
    it, a module once for all of its functions. If the hook raises, the call that ran it fails, and
    the next call tries again. The return value of the handler's hook, not that of middleware, is
    the body of the answer to ``/initialize``.
    """


@hookspec(firstresult=True)
def invoke(event: bytes, context: Context) -> Any:
    """Answer one event.

    Called for every invocation, in parallel on different threads. A function has exactly one
    implementation that is not a wrapper. ``event`` is the body of the request, or the body decoded
    into the type by which the handler annotates it. A result of ``bytes`` or ``str`` is sent as it
    is, any other as JSON. If the hook raises, the caller gets an error document with the class of
    the exception, its text and the frames of the plugin. A wrapper that returns before its
    ``yield`` answers in place of the handler and of the middleware inside of it.
    """


@hookspec
def pre_freeze(context: Context) -> None:
    """Finish what must not be frozen, for example flush buffers.

    Called on ``GET /pre-freeze`` (FC 2.0 only) for each initialized function, after its
    invocations have ended. If it raises, the error is logged, and the instance is still frozen.
    """


@hookspec
def pre_stop(context: Context) -> None:
    """Release what ``initialize`` acquired.

    Called on ``GET /pre-stop``, when the process stops, and when an edit of the configuration
    removes or replaces the function: for a class once for each function, for a module once, after
    the last function that uses it. If it raises, the error is logged, and the other functions are
    still stopped.
    """


NAMES = tuple(name for name, value in list(globals().items()) if hasattr(value, f"{PROJECT}_spec"))
"""The names of the hooks, in the order in which they are called."""

KEYS = {"initializer": "initialize", "pre_freeze": "pre_freeze", "pre_stop": "pre_stop"}
"""The keys of a function that name code for a hook, as in FC's settings."""
