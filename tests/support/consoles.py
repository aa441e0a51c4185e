"""A console over a platform, and a client that has what a page has: its cookies and its token."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from fcplug.console.inspection import Inspection
from fcplug.console.service import Address, Console
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import Platform
from support.waiting import PATIENCE

_BOUNDARY = "a-boundary-of-the-tests"


class Page(NamedTuple):
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Client:
    """Sends what a browser sends."""

    def __init__(self, url: str) -> None:
        self.port = urlsplit(url).port or 0
        self.origin = f"http://127.0.0.1:{self.port}"
        self.cookie = ""

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Page:
        """Send one request."""
        sent = {"Cookie": self.cookie} if self.cookie else {}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body or None, {**sent, **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.headers.items()}
            return Page(response.status, found, response.read())

    def get(self, path: str, **headers: str) -> Page:
        """Load a page; headers are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("GET", path, headers=named)

    def get_text(self, path: str) -> str:
        """Load a page and return its text."""
        return self.get(path).text

    def csrf(self) -> str:
        """Return the token that the forms of a page carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/functions/f").text)
        assert found
        return found[1]

    def post(self, path: str, *, headers: Mapping[str, str] | None = None, **fields: str) -> Page:
        """Send a form of the console."""
        given = fields if "csrf" in fields else {"csrf": self.csrf(), **fields}
        parts = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in given.items()
        ]
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        body = f"{''.join(parts)}--{_BOUNDARY}--\r\n".encode()
        sent = {"Origin": self.origin, "Content-Type": kind, **(headers or {})}
        return self.request("POST", path, body, sent)


@contextmanager
def opened(
    platform: Platform,
    folder: Path,
    *,
    config: str = "",
    host: str = "127.0.0.1",
) -> Iterator[tuple[Client, Console, AsyncQueue]]:
    """Serve the console of a platform, with the configuration of a file if there is one."""
    queue = AsyncQueue(platform, folder / "queue.db", pause=0.01)
    console = Console(platform, queue, Inspection(config, {}), Address(0, host))
    try:
        yield Client(console.url), console, queue
    finally:
        console.close()
        queue.close()
