"""The orderly end: no request that was accepted is lost."""

import logging
import socket
import time
from typing import NamedTuple

from fcplug.server.waitress.channel import ClientChannel
from fcplug.server.waitress.loop import Server

log = logging.getLogger("fcplug.server")

_LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT
_TURN_TIMEOUT = 0.02  # seconds between two checks for idle connections


class Abandoned(NamedTuple):
    """How much was not finished when the time was up."""

    running: int = 0
    queued: int = 0
    unsent: int = 0
    uploads: int = 0

    def __str__(self) -> str:
        return (
            f"{self.running} requests running, {self.queued} queued, {self.unsent} answers unsent, "
            f"{self.uploads} uploads unfinished"
        )


def drain(server: Server) -> Abandoned:
    """Finish what was accepted, refuse new connections, close every connection.

    In this order: accept the connections that the kernel has completed, close the listener, then
    keep the loop running. Uploads continue, requests are answered with ``Connection: close``,
    answers are sent, and idle connections are closed after ``linger``. Ends when no connection is
    left or ``drain_timeout`` has passed; returns what was abandoned in that case.
    """
    limits = server.adj.limits
    started = now = time.monotonic()
    while now - started < limits.drain_timeout:
        if server.accepting:
            _accept_completed(server)
        server.turn(_TURN_TIMEOUT)
        now = time.monotonic()
        if now - started >= limits.linger:
            _close_idle(server)
        if not server.accepting and not server.active_channels:
            break
    return _abandon(server, now - started)


def _accept_completed(server: Server) -> None:
    while server.accept_one():
        pass
    if not server.accept_paused:
        server.close_listener()


def _close_idle(server: Server) -> None:
    for channel in list(server.active_channels.values()):
        if not channel.busy and not _has_input(channel):
            channel.handle_close()


def _has_input(channel: ClientChannel) -> bool:
    """Return whether the kernel holds bytes of the client's that were not read yet."""
    try:
        return channel.owns_descriptor and bool(channel.socket.recv(1, _LOOK))
    except OSError:  # nothing has come, or the connection is broken
        return False


def _abandon(server: Server, seconds: float) -> Abandoned:
    """Close what is left; return and log what was not finished."""
    channels = list(server.active_channels.values())
    queued = server.dispatcher.waiting + server.express_dispatcher.waiting
    abandoned = Abandoned(
        running=sum(bool(channel.requests) for channel in channels) - queued,
        queued=queued,
        unsent=sum(
            bool(channel.total_outbufs_len and not channel.requests) for channel in channels
        ),
        uploads=sum(channel.request is not None for channel in channels),
    )
    if any(abandoned):
        log.error("stopping after %.1f s, abandoned: %s", seconds, abandoned)
    server.release()
    return abandoned
