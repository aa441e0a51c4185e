"""Leaving without losing a request that was accepted."""

import logging
import socket
import time
from typing import NamedTuple

from fcplug.server.waitress.channel import ClientChannel
from fcplug.server.waitress.loop import Server

log = logging.getLogger("fcplug.server")

_PATIENCE = 0.02  # seconds between two looks at who is idle


class Abandoned(NamedTuple):
    """What was not finished when the time was up."""

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
    """Finish what was accepted, refuse the rest, close every connection.

    In order: take what the kernel has completed, close the listener, then keep the loop turning:
    uploads go on, requests are answered with ``Connection: close``, answers are sent, and idle
    connections are closed after ``linger``. Ends when no connection is left or ``drain_timeout``
    has passed; returns what was abandoned then.
    """
    limits = server.adj.limits
    started = now = time.monotonic()
    while now - started < limits.drain_timeout:
        if server.accepting:
            _empty_backlog(server)
        server.turn(_PATIENCE)
        now = time.monotonic()
        if now - started >= limits.linger:
            _close_idle(server)
        if not server.accepting and not server.active_channels:
            break
    return _abandon(server, now - started)


def _empty_backlog(server: Server) -> None:
    while server.accept_one():
        pass
    if not server.accept_paused:
        server.close_listener()


def _close_idle(server: Server) -> None:
    for channel in list(server.active_channels.values()):
        if not channel.busy and not _has_input(channel):
            channel.handle_close()


def _has_input(channel: ClientChannel) -> bool:
    try:
        return bool(channel.socket.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    except OSError:
        return False


def _abandon(server: Server, seconds: float) -> Abandoned:
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
