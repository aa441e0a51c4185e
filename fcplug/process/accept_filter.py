"""A kernel filter that rejects new connections while those in the backlog are accepted."""

import logging
import struct
from socket import SOL_SOCKET, socket

log = logging.getLogger("fcplug")

_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS = 13  # the offset of the flags in the TCP header
_SYN, _ACK = 0x02, 0x10

# A program of the classic BPF: (operation, jump if true, jump if false, operand).
_PROGRAM = (
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_AND, 0, 0, _SYN | _ACK),
    (_JUMP_IF_EQUAL, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),  # a SYN without ACK: drop the packet
    (_RETURN, 0, 0, 0xFFFFFFFF),  # anything else: keep all of it
)


def block_new_connections(sock: socket) -> None:
    """Drop incoming SYNs on this socket, for every process that shares it.

    Without the filter a server that stops has no right moment to close its listener: closing
    resets the connections that arrived since the last accept. A client whose SYN is dropped sends
    it again after a second, and is refused then.

    Where the system has no such filter, this does nothing.
    """
    import ctypes  # noqa: PLC0415 - needed when a process stops, not when it starts

    program = b"".join(struct.pack("HBBI", *step) for step in _PROGRAM)
    memory = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("HL", len(_PROGRAM), ctypes.addressof(memory))
    try:
        sock.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)
    except OSError as error:
        log.debug("new connections cannot be blocked: %s", error)
