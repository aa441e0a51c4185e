"""The place of one process among those of a supervisor; its states are drawn there."""

import math
import time

from fcplug.process.child import Child

_FIRST_PAUSE = 0.02  # seconds before the next start; doubled while starts fail
_LONGEST_PAUSE = 5.0  # seconds


class Slot:
    """Holds one process and, during a renewal, the process that it replaces."""

    def __init__(self) -> None:
        self.process: Child | None = None
        self.predecessor: Child | None = None
        self.starts_at = 0.0
        self.renewed_at = -math.inf
        self.pause = _FIRST_PAUSE

    @property
    def processes(self) -> list[Child]:
        """The processes of the slot."""
        return [process for process in (self.process, self.predecessor) if process]

    def clear(self) -> list[Child]:
        """Empty the slot; return the processes that were in it."""
        processes = self.processes
        self.process = self.predecessor = None
        return processes

    def start_renewal(self) -> None:
        """Make the process a predecessor, and start its replacement now."""
        self.renewed_at = time.monotonic()
        self.predecessor, self.process = self.process, None
        self.starts_at = 0.0

    def free(self, *, stable: bool) -> None:
        """Note that the process has exited, and set when to start the next one."""
        if stable:
            self.pause = _FIRST_PAUSE
        self.process = None
        self.starts_at = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)
