"""Clients that attack: connections that are opened again as soon as they are closed.

``python -m resilience.attackers < ATTACK-JSON`` runs them; ``attackers`` is their handle.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]


class Attack(NamedTuple):
    """What each connection sends: ``opening`` once, then ``repeated`` until closed; no reads."""

    port: int
    clients: int
    opening: str
    repeated: str = ""


class Attacker:
    """One connection."""

    def __init__(self, attack: Attack) -> None:
        self.sock = socket.create_connection(("127.0.0.1", attack.port), 30)
        self.sock.setblocking(False)
        self._rest = attack.opening.encode()
        self._repeated = attack.repeated.encode()

    def send(self) -> bool:
        """Send what the socket takes; return whether there is more to send.

        Raises:
            OSError: the server has closed the connection.
        """
        with contextlib.suppress(BlockingIOError):
            self._rest = self._rest[self.sock.send(self._rest) :] or self._repeated
        return bool(self._rest)


def run(attack: Attack) -> None:
    """Attack until the process is ended."""
    poll = select.epoll()
    known: dict[int, Attacker] = {}
    while True:
        while len(known) < attack.clients:
            attacker = Attacker(attack)
            known[attacker.sock.fileno()] = attacker
            poll.register(attacker.sock, select.EPOLLOUT | select.EPOLLRDHUP)
        for number, events in poll.poll():
            try:
                if events & ~select.EPOLLOUT:
                    raise ConnectionError  # the server has ended it
                if not known[number].send():
                    poll.modify(number, select.EPOLLRDHUP)
            except OSError:
                poll.unregister(number)
                known.pop(number).sock.close()


@contextlib.contextmanager
def attackers(attack: Attack) -> Iterator[None]:
    """Have them attack, in a process of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "resilience.attackers"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
    )
    assert process.stdin
    with process.stdin as pipe:
        pipe.write(json.dumps(attack).encode())
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    os.nice(19)  # others attack from machines of their own
    run(Attack(*json.load(sys.stdin)))
