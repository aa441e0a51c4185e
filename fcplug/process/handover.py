"""How a process that ``--reload`` has started takes over from the one before it."""

import json
import os
import signal
import threading
from collections.abc import Sequence
from socket import socket


class Handover:
    """A process's connection to the supervising process, and the socket that it inherits.

    The process loads its functions, reports which ones it could load, and serves once it is told
    to. It ends when the supervising process is gone.
    """

    def __init__(self, descriptors: str) -> None:
        """Take over the descriptors of the listening socket and of the connection: ``3,4``."""
        listener, connection = map(int, descriptors.split(","))
        self.listener = socket(fileno=listener)
        self._connection = socket(fileno=connection)
        for each in (self.listener, self._connection):
            each.set_inheritable(False)

    def wait_to_serve(self, loaded: Sequence[str], failed: Sequence[str]) -> None:
        """Report, and return when this process is to serve; else the process ends."""
        report = {"loaded": loaded, "failed": failed}
        self._connection.sendall(json.dumps(report).encode() + b"\n")
        if not self._connection.recv(1):
            os._exit(1)
        threading.Thread(target=self._end_with_parent, name="fcplug-parent", daemon=True).start()

    def _end_with_parent(self) -> None:
        self._connection.recv(1)  # nothing more is ever sent
        os.kill(os.getpid(), signal.SIGTERM)
