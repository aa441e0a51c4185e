"""The ports that instances listen on."""

import secrets
import socket

_FIRST, _COUNT = 20_000, 12_000  # below the ports that systems give to outgoing connections
_TRIES = 100


def free_port() -> int:
    """Return a port that nobody listens on.

    It is not one of those that the system gives to outgoing connections. Else a connection that
    only asks whether the instance listens could take the port, and even connect to itself.

    Raises:
        OSError: none was found.
    """
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_COUNT)
        try:
            socket.create_server(("", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no free port from {_FIRST} to {_FIRST + _COUNT - 1}")


def listens(host: str, port: int) -> bool:
    """Return whether somebody accepts connections."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
