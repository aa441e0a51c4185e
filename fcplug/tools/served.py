"""A process of ``fcplug serve``, seen from the one that starts it again when the code changes."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from socket import socket, socketpair
from typing import Any, NamedTuple


class Loaded(NamedTuple):
    """A process has tried to load its functions; it waits for the order to serve."""

    process: "Served"
    failed: Sequence[str]


class Ended(NamedTuple):
    """A process has ended; the code is negative if a signal ended it."""

    process: "Served"
    code: int


Event = Loaded | Ended


class Served:
    """A process that serves a socket it has inherited, once it is asked to.

    Attributes:
        loaded: the functions that it could load; known once it has reported.
        serves_since: when it was asked to serve, a moment of ``time.monotonic()``.
    """

    def __init__(
        self, command: Sequence[str], listener: socket, events: "SimpleQueue[Any]"
    ) -> None:
        self.loaded: frozenset[str] = frozenset()
        self.serves_since = time.monotonic()
        self._events = events
        self._connection, theirs = socketpair()
        # Python compares compiled code with its source by size and second only
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            inherited = (listener.fileno(), theirs.fileno())
            self._popen = subprocess.Popen(  # noqa: S603 - this program, once more
                [*command, "--handover", ",".join(map(str, inherited))],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                env=environ,
                start_new_session=True,  # Ctrl-C reaches the supervising process alone
            )
        threading.Thread(target=self._attend, name="fcplug-served", daemon=True).start()

    def serve(self) -> None:
        """Let the process answer requests."""
        self.serves_since = time.monotonic()
        with suppress(OSError):  # it has ended: an event of its own says so
            self._connection.sendall(b"!")

    def send(self, number: signal.Signals | int) -> None:
        """Send a signal, unless the process has ended."""
        self._popen.send_signal(number)

    def _attend(self) -> None:
        with self._connection, self._connection.makefile("rb") as reports:
            if line := reports.readline():
                report = json.loads(line)
                self.loaded = frozenset(report["loaded"])
                self._events.put(Loaded(self, report["failed"]))
            code = self._popen.wait()
        self._events.put(Ended(self, code))
