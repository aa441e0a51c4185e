"""A thread whose progress another one watches: does it run, sleep, or wait for a processor?"""

import threading
import time


class WatchedThread:
    """The thread that makes this. Another one may ask while it lives."""

    def __init__(self) -> None:
        self._stat = f"/proc/self/task/{threading.get_native_id()}/stat"
        self._clock: int | None = None
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            self._clock = time.pthread_getcpuclockid(threading.get_ident())

    def processor_time(self) -> float:
        """Return for how many seconds it ran in its life."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def is_ready(self) -> bool:
        """Return whether it runs or could; False if it sleeps, or if the system does not say."""
        try:
            with open(self._stat, "rb") as stream:
                return stream.read().rpartition(b") ")[2].startswith(b"R")
        except OSError:
            return False
