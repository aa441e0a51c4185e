"""Who serves: functions brought to life one by one, and what is said of each."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fcplug import logs
from fcplug.config.loader import FunctionSpec
from fcplug.result import explain

if TYPE_CHECKING:
    from fcplug.runtime.runtime import Runtime

log = logging.getLogger("fcplug")

_MOST_ROWS = 20  # functions listed one by one; of more, only those that failed


def call(runtime: "Runtime", names: Sequence[str]) -> str:
    """Load functions, say how each fares; return the first that serves, or an empty string."""
    plugins = {name: _plugins_of(runtime.config.functions[name]) for name in names}
    widths = max(map(len, names), default=0), max(map(len, plugins.values()), default=0)
    healthy = ""
    for name, package, error in runtime.load(names):
        outcome = package
        if error:
            log.error("function '%s': %s", name, explain(error))
            outcome = f"NOT LOADED: {error.error_type} (see above)"
        elif not healthy:
            healthy = name
        if error or len(names) <= _MOST_ROWS:
            row = f"  {name:{widths[0]}}  {plugins[name]:{widths[1]}}  {outcome}"
            logs.say(f"{row.rstrip()}\n")
    return healthy


def _plugins_of(spec: FunctionSpec) -> str:
    names = [*(item.name for item in spec.middleware), spec.handler or ""]
    answering = [" > ".join(names)] if spec.handler else []
    answering += [f"{key} {name}" for key in ("wsgi", "asgi") if (name := getattr(spec, key))]
    return ", ".join(answering)
