"""Lifecycle hooks, when several processes are one instance: FC's request reaches only one."""

import json
import logging
from collections.abc import Callable

from fcplug.context import Context
from fcplug.process.siblings import Siblings
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime

_PATIENCE = 300.0  # seconds for the hooks of the siblings; FC ends the request sooner


class RelayedRuntime(Runtime):
    """A runtime whose hooks run in every process of the instance; the answer is this one's own."""

    def join(self, siblings: Siblings) -> None:
        """Run the hooks that siblings were asked for from now on, and have them run ours."""
        self._siblings = siblings
        hooks: dict[str, Callable[[Context], Result]] = {
            Phase.INITIALIZE.path: super().initialize,
            Phase.PRE_FREEZE.path: super().pre_freeze,
            Phase.PRE_STOP.path: super().pre_stop,
        }

        def answer(message: bytes) -> bytes:
            which, headers = json.loads(message)
            return hooks[which](Context.from_headers(headers, self._environ)).body

        siblings.answer(answer)

    def initialize(self, context: Context) -> Result:
        """Run the initializers here and in the siblings."""
        return self._everywhere(Phase.INITIALIZE, context, super().initialize)

    def pre_freeze(self, context: Context) -> Result:
        """Run the pre_freeze hooks here and in the siblings."""
        return self._everywhere(Phase.PRE_FREEZE, context, super().pre_freeze)

    def pre_stop(self, context: Context) -> Result:
        """Run the pre_stop hooks here and in the siblings."""
        return self._everywhere(Phase.PRE_STOP, context, super().pre_stop)

    def _everywhere(
        self, which: Phase, context: Context, own: Callable[[Context], Result]
    ) -> Result:
        result = own(context)
        message = json.dumps([which.path, context.to_headers()]).encode()
        if None in self._siblings.ask(message, _PATIENCE):
            logging.getLogger("fcplug").warning("%s did not reach every process", which.path)
        return result
