"""The listening socket."""

import errno
import socket

from fcplug.errors import BindError

BACKLOG = 1024  # connections the kernel completes while the process still imports its plugins

_FIXES = {
    errno.EADDRINUSE: (
        "the port is in use; `ss -ltnp 'sport = :{port}'` tells by whom: end that, or choose "
        "another port"
    ),
    errno.EACCES: "no permission for this port; choose one above 1023",
    errno.EADDRNOTAVAIL: "no such address on this machine; 0.0.0.0 stands for all of them",
}


def bind(host: str, port: int) -> socket.socket:
    """Return a TCP socket that is bound and listening; the caller owns it.

    Port 0 lets the kernel choose. SO_REUSEADDR is set, so that a restart need not wait for the
    last instance's connections to be forgotten.

    Raises:
        BindError: with the address, what was wrong and the likely fix.
    """
    where = f"cannot listen on {host}:{port}"
    if not 0 <= port <= 65535:
        raise BindError(f"{where}: a port is a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BindError(f"{where}: {_explain(error, port)}") from error


def _explain(error: OSError, port: int) -> str:
    if (error.errno or 0) < 0:  # the resolver's numbers are
        return "the host is not known; use an address such as 0.0.0.0 or 127.0.0.1"
    fix = _FIXES.get(error.errno or 0)
    return fix.format(port=port) if fix else str(error.strerror)
