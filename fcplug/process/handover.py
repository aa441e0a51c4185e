"""How a process that ``--reload`` started takes over from the previous one.

::

    supervising process                  new process
        │  starts it, passes two descriptors ──▶ │  loads the functions
        │ ◀──────────── one line of JSON ─────── │  (loaded, failed), then waits
        │  stops the previous process            │
        │ ──────────────── one byte ───────────▶ │  serves
        │ ─────────── end of the connection ───▶ │  stops (the supervising process is gone)
"""

import json
import os
import signal
import threading
from collections.abc import Sequence
from socket import socket


class Handover:
    """The socket that a new process inherits, and its connection to the supervising process."""

    def __init__(self, descriptors: str) -> None:
        """Use the descriptors of the listening socket and of the connection: ``3,4``."""
        listener, connection = map(int, descriptors.split(","))
        self.listener = socket(fileno=listener)
        self._connection = socket(fileno=connection)
        for each in (self.listener, self._connection):
            each.set_inheritable(False)

    def wait_to_serve(self, loaded: Sequence[str], failed: Sequence[str]) -> None:
        """Report the functions, and return when this process is to serve.

        Ends the process if the supervising process does not want it.
        """
        report = {"loaded": loaded, "failed": failed}
        self._connection.sendall(json.dumps(report).encode() + b"\n")
        if not self._connection.recv(1):
            os._exit(1)
        threading.Thread(target=self._end_with_parent, name="fcplug-parent", daemon=True).start()

    def _end_with_parent(self) -> None:
        self._connection.recv(1)  # no more bytes are sent: this returns when the other end closes
        os.kill(os.getpid(), signal.SIGTERM)
