"""The console of one run of the platform, on a port of its own."""

import secrets
import socket
from typing import NamedTuple

from fcplug.console.app import App, Run, create_app
from fcplug.console.inspection import Inspection
from fcplug.console.security import Access
from fcplug.console.stream import Streams
from fcplug.errors import BindError
from fcplug.platform.api import ApiServer
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import Platform

_LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """Where the console is. ``usual``: any other port will do if this one is in use."""

    port: int
    host: str = _LOOPBACK
    usual: bool = False


class Console:
    """Serves the pages until it is closed.

    Attributes:
        url: what to open in a browser; with the token, if one is needed.

    Raises:
        BindError: the port is in use, or not ours to use.
    """

    def __init__(
        self,
        platform: Platform,
        queue: AsyncQueue,
        inspection: Inspection,
        address: Address,
    ) -> None:
        self._inspection = inspection
        access = Access.new(
            open_to_others=address.host != _LOOPBACK, names=[address.host, socket.gethostname()]
        )
        boot = secrets.token_hex(8)
        self._streams = Streams(
            platform, lambda: {"boot": boot, "csrf": access.csrf}, lambda: inspection.ended
        )
        app = create_app(platform, queue, inspection, Run(access, boot, self._streams))
        self._server = _listen(app, address)
        everywhere = address.host == "0.0.0.0"  # noqa: S104 - if the user wants it
        shown = _LOOPBACK if everywhere else address.host
        self.url = f"http://{shown}:{self._server.port}"
        if access.token:
            self.url += f"/?token={access.token}"

    def edited(self) -> None:
        """Look at the configuration and the plugins again, after an edit."""
        self._inspection.edited()

    def close(self) -> None:
        """End the streams and listen no more."""
        self._streams.closed.set()
        self._server.close()


def _listen(app: App, address: Address) -> ApiServer:
    try:
        return ApiServer(app, address.port, address.host)
    except BindError:
        if not address.usual:
            raise
        return ApiServer(app, 0, address.host)
