"""The hooks of a plugin, in the order in which they are called.

Every hook may be a plain function or an ``async def``, and may take fewer arguments than its
specification, by name. Middleware implements the same hooks as wrappers
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

    Called on FC's ``POST /initialize`` or, where FC was not told to send it, before the first
    invocation; invocations wait for it. A class is initialized once for each function that names
    it, a module once for all of its functions. When the hook raises, the call that caused it fails,
    and the next one tries again. The return value of the handler's own hook is the body that
    answers ``/initialize``.
    """


@hookspec(firstresult=True)
def invoke(event: bytes, context: Context) -> Any:
    """Answer one event.

    Called for every invocation, many at once on different threads. A function has exactly one
    implementation that is not a wrapper. ``event`` is the request's body, untouched; where the
    handler annotates it with another type, the body decoded into that. The result is sent as it is
    when it is ``bytes`` or ``str``, and as JSON otherwise. When it raises, the caller
    gets an error document with the exception's class, its text and the plugin's own frames.
    """


@hookspec
def pre_freeze(context: Context) -> None:
    """Finish what must not be frozen: flush buffers.

    Called on ``GET /pre-freeze`` (FC 2.0 only) for each initialized function, after its
    invocations ended. When it raises, the error is logged and the instance is frozen all the same.
    """


@hookspec
def pre_stop(context: Context) -> None:
    """Give back what ``initialize`` took.

    Called on ``GET /pre-stop``, when the process stops, or when an edit of the configuration
    removes or replaces the function: for a class once for each function, for a module once, after
    the last function that uses it. When it raises, the error is logged and the other functions are
    stopped all the same.
    """


NAMES = tuple(name for name, value in list(globals().items()) if hasattr(value, f"{PROJECT}_spec"))
"""The hooks' names, in the order in which they are called."""

KEYS = {"initializer": "initialize", "pre_freeze": "pre_freeze", "pre_stop": "pre_stop"}
"""The keys of a function that name code for a hook, as FC's own settings call it."""
