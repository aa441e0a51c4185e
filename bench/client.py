"""A client that keeps one request in flight on each connection, for machines without wrk.

``python client.py PORT CONNECTIONS SECONDS REQUEST-FILE`` prints its figures as JSON.
"""

import json
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path

_TIMEOUT = 10.0  # seconds for a connection to be accepted, and for each send


class Connection:
    """Send, read the answer, send again; reconnect if the server has closed the connection."""

    def __init__(self, port: int, request: bytes, selector: selectors.BaseSelector) -> None:
        self._port, self._request, self._selector = port, request, selector
        self.times: list[float] = []
        self.failed = 0
        self._connect()

    def _connect(self) -> None:
        self._sock = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._sock, selectors.EVENT_READ, self)
        self._send()

    def _send(self) -> None:
        self._got = b""
        self._begun = time.perf_counter()
        self._sock.sendall(self._request)

    def read(self) -> None:
        """Read bytes; send the next request when the answer is complete."""
        try:
            part = self._sock.recv(65536)
        except OSError:
            part = b""
        self._got += part
        ended = self._whole()
        if ended:
            self.times.append(time.perf_counter() - self._begun)
            self.failed += b" 200 " not in self._got[:16]
        elif not part:
            self.failed += 1
        if not part or (ended and self._closes()):
            self.close()
            self._connect()
        elif ended:
            self._send()

    def _whole(self) -> bool:
        head, found, body = self._got.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return bool(found) and len(body) >= int(line[15:])
        return False

    def _closes(self) -> bool:
        head = self._got.partition(b"\r\n\r\n")[0].lower()
        return b"connection: close" in head or head.startswith(b"http/1.0")

    def close(self) -> None:
        """Close the connection."""
        self._selector.unregister(self._sock)
        self._sock.close()


def main(port: int, connections: int, seconds: float, request: bytes) -> None:
    selector = selectors.DefaultSelector()
    begun = time.perf_counter()
    clients = [Connection(port, request, selector) for _ in range(connections)]
    while time.perf_counter() - begun < seconds:
        for key, _ in selector.select(1):
            key.data.read()
    took = time.perf_counter() - begun
    for client in clients:
        client.close()
    times = [each for client in clients for each in client.times]
    hundredths = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    failed = sum(client.failed for client in clients)
    counts = {"requests": len(times), "failed": failed, "seconds": took}
    print(json.dumps({**counts, "p50": hundredths[49], "p99": hundredths[98]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]).read_bytes())
