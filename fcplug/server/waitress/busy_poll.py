"""Waiting for events of sockets; awake for a moment, while the next event mostly comes that soon.

What it earns: a client that sends its next request as soon as it has the answer does so within some
20 microseconds. To sleep so long costs as much processor time as to look again and again, and the
client pays for waking this thread, by an interrupt of another processor.
"""

import time
from collections.abc import Callable
from typing import Any

from fcplug.server.waitress.adaptive_gate import AdaptiveGate

_AWAKE = 0.00005  # seconds; to sleep costs the two processes some 20 microseconds


class BusyPoll:
    """Waits like a selector, but may look again and again for a moment before it sleeps.

    It does so only while that mostly finds something: clients that pause after an answer, or that
    need this processor themselves, close the gate.

    Args:
        select: returns the events of the sockets, and waits for one at most the given seconds.
        enabled: False lets every wait sleep.
    """

    def __init__(self, select: Callable[[float], list[Any]], *, enabled: bool = True) -> None:
        self._select = select
        self._gate = AdaptiveGate(enabled=enabled)

    def wait(self, timeout: float, *, may_pay: bool) -> list[Any]:
        """Return the events; wait for one at most ``timeout`` seconds.

        Args:
            timeout: seconds.
            may_pay: False lets this wait sleep at once. It is True if the last wait found one
                event, and nothing else of this process needs the processor. With several
                connections it is cheaper to sleep, and to handle several events in one turn.
        """
        if not (may_pay and timeout):
            return self._select(timeout)
        if not self._gate.is_open:
            self._gate.skipped()
            return self._select(timeout)
        if events := self._select(0):
            return events
        until = time.monotonic() + _AWAKE
        while not (events := self._select(0)) and time.monotonic() < until:
            pass
        self._gate.tried(paid=bool(events))
        return events or self._select(timeout)
