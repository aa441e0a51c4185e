"""Lifecycle calls that an application may have a route for, but does not get."""

import logging

from fcplug import hookspecs
from fcplug.config.model import FunctionSpec
from fcplug.protocol import Phase

log = logging.getLogger("fcplug")

_HOOKS = {
    Phase.INITIALIZE: "initialize",
    Phase.PRE_FREEZE: "pre_freeze",
    Phase.PRE_STOP: "pre_stop",
}
_KEYS = {hook: key for key, hook in hookspecs.KEYS.items()}
_OF_LIFESPAN = (Phase.INITIALIZE, Phase.PRE_STOP)


class MissedRoutes:
    """Warns once for each function and phase that the application was not called."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, Phase]] = set()

    def note(self, phase: Phase, spec: FunctionSpec | None) -> None:
        """Log that a lifecycle call did not reach the application of this function."""
        if spec is None or spec.application is None or spec.handler:
            return
        if getattr(spec, _KEYS[_HOOKS[phase]]) or (spec.name, phase) in self._reported:
            return
        self._reported.add((spec.name, phase))
        ran = bool(spec.asgi) and phase in _OF_LIFESPAN
        log.log(
            logging.INFO if ran else logging.WARNING,
            "function '%s': %s was answered by %s; if the application has a route for it, set "
            "phases: app in functions.yaml",
            spec.name,
            phase.path,
            "its lifespan" if ran else "the runtime, and the application was not called",
        )
