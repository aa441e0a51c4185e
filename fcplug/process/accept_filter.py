"""Turning new connections away while those that have come are still let in."""

import logging
import struct
from socket import SOL_SOCKET, socket

log = logging.getLogger("fcplug")

_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS = 13  # where in the TCP header
_SYN, _ACK = 0x02, 0x10
_PROGRAM = (
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_AND, 0, 0, _SYN | _ACK),
    (_JUMP_IF_EQUAL, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),  # drop it
    (_RETURN, 0, 0, 0xFFFFFFFF),  # keep all of it
)


def block_new_connections(sock: socket) -> None:
    """Have the kernel drop what asks for a new connection, for whoever holds the socket.

    A listener that is closed resets what was connected since it last accepted: however quick, it
    loses one or the other. Whoever is dropped asks again after a second, and is refused then.
    """
    import ctypes  # noqa: PLC0415 - for the end of a process, not for its start

    program = b"".join(struct.pack("HBBI", *step) for step in _PROGRAM)
    memory = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("HL", len(_PROGRAM), ctypes.addressof(memory))
    try:
        sock.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)
    except OSError as error:
        log.debug("new connections cannot be held off: %s", error)
