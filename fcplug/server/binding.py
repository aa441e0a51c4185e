"""The listening socket."""

import errno
import socket

from fcplug.errors import BindError

BACKLOG = 1024  # connections that the kernel completes while the process still imports its plugins

_FIXES = {
    errno.EADDRINUSE: (
        "the port is in use; `ss -ltnp 'sport = :{port}'` shows by which process: end that, or "
        "choose another port"
    ),
    errno.EACCES: "no permission for this port; choose one above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 means all of its addresses",
}


def bind(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; the caller owns it.

    Port 0 lets the kernel choose. SO_REUSEADDR is set, so that a restart does not have to wait
    for the previous instance's connections to time out in the kernel.

    Raises:
        BindError: with the address, what is wrong and the likely fix.
    """
    where = f"cannot listen on {host}:{port}"
    if not 0 <= port <= 65535:
        raise BindError(f"{where}: a port is a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BindError(f"{where}: {_format_error(error, port)}") from error


def _format_error(error: OSError, port: int) -> str:
    if (error.errno or 0) < 0:  # only the resolver has negative error numbers
        return "the host is unknown; use an address such as 0.0.0.0 or 127.0.0.1"
    fix = _FIXES.get(error.errno or 0)
    return fix.format(port=port) if fix else str(error.strerror)
