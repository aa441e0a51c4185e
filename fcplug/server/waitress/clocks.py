"""The time limits of all connections."""

import logging
import time

from fcplug.errors import quantity
from fcplug.server.limits import Limits
from fcplug.server.waitress.channel import ClientChannel

log = logging.getLogger("fcplug.server")

FROZEN = 3.0  # seconds between two turns that no poll explains: the platform froze the instance
_CHECK = 1.0  # seconds between two checks of all connections ...
_CROWDED_CHECK = 0.2  # ... and while others wait to be accepted


class Clocks:
    """Closes or refuses connections that exceed a time limit.

    A time in which the process did not run counts for none of them: FC freezes instances.
    """

    def __init__(self, channels: dict[int, ClientChannel], limits: Limits) -> None:
        self._channels = channels
        self._limits = limits
        self._checked_at = 0.0
        self._turned_at, self._turned_at_wall = time.monotonic(), time.time()

    def check(self) -> bool:
        """Check all connections if that is due, and return whether it was.

        Call it at each turn of the loop.
        """
        now, now_wall = time.monotonic(), time.time()
        gap, gap_wall = now - self._turned_at, now_wall - self._turned_at_wall
        self._turned_at, self._turned_at_wall = now, now_wall
        if gap > FROZEN or gap_wall > FROZEN:
            for channel in self._channels.values():
                channel.skip_frozen_time(gap, gap_wall)
        since = now - self._checked_at
        if since < _CROWDED_CHECK:
            return False
        full = len(self._channels) >= self._limits.connection_limit
        if since < _CHECK and not full:
            return False
        self._checked_at = now
        idle_timeout = self._limits.header_timeout if full else self._limits.idle_timeout
        slow = 0
        for channel in list(self._channels.values()):
            try:
                channel.check(now, now_wall, idle_timeout)
                if channel.will_close:
                    channel.handle_close()  # not by an event: a full socket never becomes writable
                elif channel.reads_too_slowly(now):
                    channel.reset()
                    channel.handle_close()
                    slow += 1
            except Exception as error:
                channel.give_up(error)
        if slow:
            log.warning(
                "%s cut off: a client must read at least %d bytes a second (runtime.min_send_rate)",
                *(quantity(slow, "answer"), self._limits.min_send_rate),
            )
        return True
