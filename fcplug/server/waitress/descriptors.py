"""Descriptors of sockets, which code of a function may have closed."""

import fcntl
from errno import ENOPROTOOPT
from socket import SOL_SOCKET, socket

from fcplug import logs

LAST_STANDARD = 2  # the descriptor of standard error
_COOKIE = 57  # Linux's SO_COOKIE: a number of 8 bytes that only this socket has


def identity(sock: socket | None) -> bytes | None:
    """Return what no other socket has; None if the descriptor is not a socket any more.

    It shows whether other code has closed the descriptor, so that its number may be another's now.
    Linux only: elsewhere all open sockets look the same.
    """
    try:
        return sock.getsockopt(SOL_SOCKET, _COOKIE, 8) if sock else None
    except OSError as error:
        return b"" if error.errno == ENOPROTOOPT else None


def move_off_standard(sock: socket) -> socket:
    """Move a connection off descriptor 0, 1 or 2, which some code has closed; reopen that."""
    with sock:
        moved = socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, LAST_STANDARD + 1))
    logs.open_standard_descriptors()
    return moved
