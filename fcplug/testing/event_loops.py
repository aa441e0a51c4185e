"""``asyncio.get_event_loop()`` inside calls, as an instance has it on every thread."""

import asyncio
import sys
from typing import Any

from fcplug.concurrency import current_loop


class EventLoops:
    """Puts the runtime's event loop policy in the place of the test's while calls run.

    From Python 3.14 on there is none, in an instance as here. A policy that user code sets comes
    back with the next call.
    """

    def __init__(self) -> None:
        self._inside: Any = None
        self._outside: Any = None
        self._made: list[asyncio.AbstractEventLoop] = []

    def begin(self) -> None:
        """Install the policy of calls."""
        if sys.version_info >= (3, 14):
            return
        self._outside = asyncio.get_event_loop_policy()
        if self._inside is None:
            current_loop.install()
            self._note_loops_of(asyncio.get_event_loop_policy())
        else:
            asyncio.set_event_loop_policy(self._inside)

    def end(self) -> None:
        """Give the test its own policy back."""
        if sys.version_info >= (3, 14):
            return
        self._inside = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(self._outside)

    def close(self) -> None:
        """Close the loops that nobody has closed."""
        for loop in self._made:
            if not (loop.is_closed() or loop.is_running()):
                loop.close()

    def _note_loops_of(self, policy: Any) -> None:
        make = policy.new_event_loop

        def new_event_loop() -> asyncio.AbstractEventLoop:
            loop: asyncio.AbstractEventLoop = make()
            self._made.append(loop)
            return loop

        policy.new_event_loop = new_event_loop
