"""What a command reads of the platform that runs over this folder, as it comes."""

import contextlib
import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec

from fcplug.errors import FcplugError
from fcplug.platform.feed import Item
from fcplug.tools import dev_folder
from fcplug.tools.dev_folder import Running
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.terminal import printable

_SILENCE = 15.0  # seconds after which a platform that sends nothing is given up


class PlatformError(FcplugError):
    """There is no platform, or it does not answer as it should."""


def running() -> Running:
    """Return the platform that runs over this folder.

    Raises:
        PlatformError: none does.
    """
    found = dev_folder.find_here()
    if found is None:
        raise PlatformError(
            "no platform runs over this folder\n"
            "  fix: start one here in another terminal: fcplug dev"
        )
    return found


@contextlib.contextmanager
def items(found: Running, path: str, **asked: str) -> Iterator[Iterator[Item | None]]:
    """Read a feed: give its items as they come, and None if nothing came for two seconds.

    They end when the platform has sent all that was asked for, or ends itself.

    Raises:
        PlatformError: it does not answer.
        WrongUsage: it has no such function.
    """
    target = f"{path}?{urlencode(asked)}"
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=_SILENCE)
    try:
        connection.request("GET", target, headers=dict(found.signed("GET", target, {})))
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise _refused(response.status, response.read())
        yield _decoded(response)
    except (OSError, http.client.HTTPException) as error:
        raise _silent(found, error) from None
    finally:
        connection.close()


def _decoded(response: http.client.HTTPResponse) -> Iterator[Item | None]:
    decoder = msgspec.json.Decoder(Item)
    try:
        while line := response.readline():
            yield decoder.decode(line) if line.strip() else None
    except (ConnectionError, http.client.HTTPException, msgspec.DecodeError):
        return  # it ended in the middle of a line: the platform was killed


def _refused(status: int, body: bytes) -> FcplugError:
    try:
        document = msgspec.json.decode(body, type=dict[str, str])
    except msgspec.DecodeError:
        document = {}
    text = printable(document.get("Message") or f"it answers with status {status}")
    if document.get("Code") == "FunctionNotFound":
        return WrongUsage(text)
    return PlatformError(f"the platform refuses this: {text}")


def _silent(found: Running, error: Exception) -> PlatformError:
    if isinstance(error, socket.timeout):
        text = f"nothing came for {_SILENCE:g} seconds"
    else:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return PlatformError(f"{found.url} gives no answer: {printable(text)}")
