"""The console of ``fcplug dev``: where it is, and what it knows of the functions."""

from collections.abc import Callable, Mapping

from fcplug.console.inspection import Inspection
from fcplug.console.service import Address, Console
from fcplug.errors import BindError, FcplugError
from fcplug.platform.api import PORT_ERRORS
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.emulator import Emulator

LOOPBACK = "127.0.0.1"
_PORT = 9998

Open = Callable[[Emulator, AsyncQueue, str], Console]


class ConsoleError(FcplugError):
    """The port of the console cannot be had."""


def address(port: int | None, host: str, api_port: int) -> Address:
    """Return where the console is to be: any port will do if none is asked for."""
    if port is None:
        return Address(_PORT if api_port else 0, host, usual=True)
    return Address(port, host)


def opener(where: Address, environ: Mapping[str, str]) -> Open:
    """Return what opens a console over a platform, its queue, and the file of its functions.

    ``environ``: the variables that the configuration may name.
    """

    def opened(platform: Emulator, queue: AsyncQueue, file: str) -> Console:
        try:
            return Console(platform, queue, Inspection(file, environ), where)
        except BindError as error:
            fix = "--host 127.0.0.1, for this machine alone"
            if getattr(error.__cause__, "errno", None) in PORT_ERRORS:
                fix = "--console-port 0 for any"
            raise ConsoleError(f"{error}\n  fix: {fix}") from None

    return opened
