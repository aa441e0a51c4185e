"""Lifecycle hooks of several processes that are one instance: FC's request reaches only one."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from fcplug.context import Context
from fcplug.protocol import BY_CONTROL_PATH, Phase
from fcplug.result import Result

if TYPE_CHECKING:
    from fcplug.process.siblings import Siblings

_PATIENCE = 300.0  # seconds for the hooks of the siblings; FC ends the request sooner


class LifecycleHooks(Protocol):
    """What runs the hooks of an instance: a runtime, or a broadcast to all of its processes."""

    def initialize(self, context: Context) -> Result:
        """Run the initializers."""

    def pre_freeze(self, context: Context) -> Result:
        """Run the pre_freeze hooks."""

    def pre_stop(self, context: Context) -> Result:
        """Run the pre_stop hooks."""


class HookBroadcast:
    """Runs lifecycle hooks in this process and in its siblings; the result is this process's.

    From the start on it also runs the hooks that a sibling broadcasts.

    Args:
        own: runs the hooks of this process.
        siblings: the other processes of the instance.
        environ: the process environment, for the contexts that siblings send.
    """

    def __init__(
        self, own: LifecycleHooks, siblings: "Siblings", environ: Mapping[str, str]
    ) -> None:
        self._own = own
        self._siblings = siblings
        self._environ = environ
        siblings.answer(self._run_for_sibling)

    def initialize(self, context: Context) -> Result:
        """Run the initializers here and in the siblings."""
        return self._everywhere(Phase.INITIALIZE, context)

    def pre_freeze(self, context: Context) -> Result:
        """Run the pre_freeze hooks here and in the siblings."""
        return self._everywhere(Phase.PRE_FREEZE, context)

    def pre_stop(self, context: Context) -> Result:
        """Run the pre_stop hooks here and in the siblings."""
        return self._everywhere(Phase.PRE_STOP, context)

    def _everywhere(self, phase: Phase, context: Context) -> Result:
        result = self._here(phase)(context)
        message = json.dumps([phase.path, context.to_headers()]).encode()
        if None in self._siblings.ask(message, _PATIENCE):
            logging.getLogger("fcplug").warning("%s did not reach every process", phase.path)
        return result

    def _run_for_sibling(self, message: bytes) -> bytes:
        path, headers = json.loads(message)
        return self._here(BY_CONTROL_PATH[path])(Context.from_headers(headers, self._environ)).body

    def _here(self, phase: Phase) -> Callable[[Context], Result]:
        return {
            Phase.INITIALIZE: self._own.initialize,
            Phase.PRE_FREEZE: self._own.pre_freeze,
            Phase.PRE_STOP: self._own.pre_stop,
        }[phase]
