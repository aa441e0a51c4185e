"""Those who call an instance: connections that are kept, logs that are followed."""

import re
import socket
import time
from pathlib import Path
from typing import NamedTuple

from support.served import read_answer, request

PATIENCE = 60.0  # seconds for an answer; a slow machine may need many


class Lost(Exception):
    """A request was written whole, and no answer came."""


class Unsent(Exception):
    """There was no connection to write a request on."""


class Answer(NamedTuple):
    """What came back, and how long that took in seconds."""

    status: int
    body: bytes
    seconds: float


class Caller:
    """One connection, opened again when the instance has closed it."""

    def __init__(self, port: int, timeout: float = PATIENCE) -> None:
        self._port = port
        self._timeout = timeout
        self._sock: socket.socket | None = None

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invoke(self, function: str, event: bytes = b"", *fields: str) -> Answer:
        """Invoke a function.

        Raises:
            Lost: the event was sent and nothing came back.
            Unsent: it could not be sent.
        """
        return self.ask(
            request("POST", "/invoke", event, f"x-fc-function-name: {function}", *fields)
        )

    def ask(self, data: bytes) -> Answer:
        """Send a request and read its answer."""
        begun = time.monotonic()
        try:
            sock = self.connect()
            sock.sendall(data)
        except OSError as error:
            self.close()
            raise Unsent(repr(error)) from error
        try:
            status, fields, body = read_answer(sock)
        except (OSError, EOFError) as error:
            self.close()
            raise Lost(repr(error)) from error
        if fields.get("connection") == "close":
            self.close()
        return Answer(status, body, time.monotonic() - begun)

    def connect(self) -> socket.socket:
        """Return the connection."""
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), self._timeout)
        return self._sock

    def close(self) -> None:
        """Go away."""
        if self._sock:
            self._sock.close()
            self._sock = None


class Tail:
    """The end of a log that grows; what was there before does not count."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "instance.log"
        self._at = self._file.stat().st_size
        self._text = ""

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait for a match in what was written since the last one, and return it.

        Raises:
            TimeoutError: it did not come.
        """
        end = time.monotonic() + seconds
        while True:
            self._text += self._more()
            if match := re.search(pattern, self._text, re.MULTILINE):
                self._text = self._text[match.end() :]
                return match
            self._text = self._text[self._text.rfind("\n") + 1 :] if "\n" in self._text else ""
            if time.monotonic() > end:
                raise TimeoutError(f"no {pattern!r} in the log")
            time.sleep(0.002)

    def _more(self) -> str:
        with self._file.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._at += len(data)
        return data.decode("utf-8", "surrogateescape")
