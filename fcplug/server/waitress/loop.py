"""The loop that owns every connection: accepting, clocks, who answers."""

import contextlib
import errno
import fcntl
import logging
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING

from waitress import wasyncore
from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.server import TcpWSGIServer

from fcplug import logs, protocol
from fcplug.process.forks import call_in_child
from fcplug.server.waitress.channel import READ, WRITE, ClientChannel
from fcplug.server.waitress.dispatcher import Dispatcher
from fcplug.server.waitress.leader_followers import LeaderFollowers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fcplug.server.limits import WaitressSettings

log = logging.getLogger("fcplug.server")

POLL_TIMEOUT = 0.5  # seconds in poll without an event; also how long accepting pauses
FROZEN = 3.0  # seconds between two turns that no poll explains: the instance did not run
_CHECK = 1.0  # seconds between two looks at the clocks of all connections ...
_CROWDED_CHECK = 0.2  # ... and while others wait for their places
MAX_ACCEPTS = 64  # connections taken in one turn, before those at hand get theirs

_CONTROL = protocol.environ_key(protocol.CONTROL_PATH).removeprefix("HTTP_")

_LAST_STANDARD = 2  # the descriptor of standard error

Express = Callable[[str, str, str], bool]


class Server(TcpWSGIServer):
    """waitress's server over a socket that listens already."""

    channel_class = ClientChannel
    adj: "WaitressSettings"
    active_channels: dict[int, ClientChannel]  # type: ignore[assignment]  # made by channel_class
    interest = 0
    draining = False  # the process stops: answers close their connections

    def __init__(
        self,
        app: "WSGIApplication",
        sock: socket,
        settings: "WaitressSettings",
        *,
        express: Express,
        on_turn: Callable[[bool], None] = lambda _busy: None,
    ) -> None:
        self._express = express
        self._on_turn = on_turn
        self.express_dispatcher = Dispatcher("express", 1)
        self._accept_after = self._warned_at = self._checked_at = 0.0
        self._turned_at, self._turned_at_wall = time.monotonic(), time.time()
        self._active = False
        self._most_connections = settings.limits.connection_limit
        self._unfinished: deque[ClientChannel] = deque()
        self._selector = selectors.DefaultSelector()
        self.dispatcher = LeaderFollowers(settings.limits.threads, self.turn, self.pull_trigger)
        super().__init__(
            app,
            map={},
            _sock=sock,
            dispatcher=self.dispatcher,
            adj=settings,
            bind_socket=False,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
        )
        self.environ = {
            "SERVER_NAME": self.server_name,
            "SERVER_PORT": str(self.effective_port),
            "SERVER_SOFTWARE": "fcplug",
            "SCRIPT_NAME": "",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": ReadOnlyFileBasedBuffer,
            "wsgi.input_terminated": True,
        }
        os.set_blocking(self.trigger.trigger, False)
        call_in_child(self.leave_to_parent)
        self._selector.register(self.trigger._fileno, READ, self.trigger)

    def pull_trigger(self) -> None:
        """End the current turn, from any thread; all connections are looked at anew."""
        with contextlib.suppress(BlockingIOError):  # full of bytes not read yet: it ends anyway
            super().pull_trigger()

    def turn(self, timeout: float = POLL_TIMEOUT) -> None:
        """Handle what the sockets have, waiting at most ``timeout`` seconds for it."""
        self._check_clocks()
        self._on_turn(self._active or self.dispatcher.busy)
        self.update_interest(self)
        unfinished = len(self._unfinished)
        ready = self._selector.select(0 if unfinished else timeout)
        self._active = bool(ready or unfinished)
        for key, happened in ready:
            at = key.data
            if at is self.trigger:
                wasyncore.read(at)
                self._update_every_interest()
                continue
            events = happened & at.interest  # none once it is closed
            unasked = events & READ and not at.wanted() & READ
            if events & READ and not unasked:
                wasyncore.read(at)
            if events & WRITE:
                wasyncore.write(at)
            self.update_interest(at, leave_in=not unasked)
        for _ in range(unfinished):
            channel = self._unfinished.popleft()
            channel.parse_more()
            self.update_interest(channel)

    def continue_later(self, channel: ClientChannel) -> None:
        """Have a connection parse more of what has come, once all others had their turn."""
        self._unfinished.append(channel)
        if not self.dispatcher.is_leader:
            self.pull_trigger()

    def update_interest(self, at: "ClientChannel | Server", *, leave_in: bool = True) -> None:
        """Have the selector watch for what a connection, or the listener, waits for.

        While its request is answered a connection waits for nothing. It may be left in all the
        same: most have nothing to say by then, and so it costs nothing. One that had is taken out;
        whoever has answered it and finds it out pulls the trigger, so it is looked at once more.
        """
        while at._fileno is not None:
            wanted = at.wanted()
            before = at.interest
            if wanted == before or (not wanted and before == READ and leave_in):
                return
            at.interest = wanted
            if not wanted:
                self._selector.unregister(at._fileno)
            elif before:
                self._selector.modify(at._fileno, wanted, at)
            else:
                self._selector.register(at._fileno, wanted, at)

    def unregister(self, at: "ClientChannel | Server") -> None:
        """Watch no longer for a connection, or the listener."""
        if at.interest:
            at.interest = 0
            self._selector.unregister(at._fileno)

    def _update_every_interest(self) -> None:
        for channel in list(self.active_channels.values()):
            self.update_interest(channel)

    def add_task(self, channel: ClientChannel) -> None:
        """Have the channel's first request answered by a worker or, for a health check, express."""
        request = channel.requests[0]
        control = request.headers.get(_CONTROL, "")
        if request.error is None:
            request.is_health_check = self._express(request.command, request.path, control)
        if request.error or request.is_health_check:
            self.express_dispatcher.add_task(channel)
            return
        self._on_turn(True)
        self.dispatcher.add_task(channel)

    @property
    def full(self) -> bool:
        """Whether there are as many connections as may be."""
        return len(self.active_channels) >= self._most_connections

    def wanted(self) -> int:
        """Return READ if connections are accepted now, else 0."""
        count = len(self.active_channels)
        if count >= self._most_connections:
            self._warn("%d connections, the limit: new ones wait", count)
            return 0
        return READ if self.accepting and time.monotonic() >= self._accept_after else 0

    def handle_accept(self) -> None:
        """Take the connections that the kernel has completed."""
        for _ in range(MAX_ACCEPTS):
            if self.full or not self.accept_one():
                return

    def accept_one(self) -> bool:
        """Take one connection; False when there is none, or none can be had now."""
        try:
            sock, address = self.socket.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:
            return True
        except OSError as error:  # out of descriptors or memory: asking again at once is no use
            self._accept_after = time.monotonic() + POLL_TIMEOUT
            self._warn("accepting connections pauses: %s", os.strerror(error.errno or errno.EIO))
            return False
        if sock.fileno() <= _LAST_STANDARD:
            sock = _move_descriptor(sock)
        try:
            self.set_socket_options(sock)
        except OSError:
            sock.close()  # gone already
        else:
            self.update_interest(ClientChannel(self, sock, address, self.adj, map=self._map))
        return True

    @property
    def accept_paused(self) -> bool:
        """Whether connections may wait in the kernel because none can be had now."""
        return time.monotonic() < self._accept_after

    def close_listener(self) -> None:
        """Refuse connections from now on."""
        self.accepting = False
        self.unregister(self)
        self.del_channel()
        self.socket.close()

    def leave_to_parent(self) -> None:
        """Close a forked child's copies of the sockets; nothing more is answered on them there."""
        for channel in list(self.active_channels.values()):
            channel.connected = False
            channel.socket.close()
        self.socket.close()

    def release(self) -> bool:
        """Close every connection, end the threads that are idle; tell whether none is left."""
        if self.accepting:
            self.close_listener()
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        return all([self.dispatcher.stop(), self.express_dispatcher.stop()])

    def close(self) -> None:
        """Close all, the trigger only when no thread is left that might pull it.

        A descriptor that is closed may be somebody else's file by the time a thread writes to it.
        """
        if self.release():
            self._selector.close()
            self.dispatcher.close()
            self.trigger.close()

    def _check_clocks(self) -> None:
        now, now_wall = time.monotonic(), time.time()
        gap, gap_wall = now - self._turned_at, now_wall - self._turned_at_wall
        self._turned_at, self._turned_at_wall = now, now_wall
        if gap > FROZEN or gap_wall > FROZEN:
            for channel in self.active_channels.values():
                channel.skip_frozen_time(gap, gap_wall)
        since = now - self._checked_at
        if since < _CROWDED_CHECK or (since < _CHECK and not self.full):
            return
        self._checked_at = now
        limits = self.adj.limits
        idle_timeout = limits.header_timeout if self.full else limits.idle_timeout
        for channel in list(self.active_channels.values()):
            channel.check(now, now_wall, idle_timeout)
            if channel.will_close:
                channel.handle_close()  # a full socket never becomes writable: not by its events
        self._reset_slow_readers(now)

    def _reset_slow_readers(self, now: float) -> None:
        slow = [it for it in self.active_channels.values() if it.reads_too_slowly(now)]
        for channel in slow:
            channel.reset()
            channel.handle_close()
        if slow:
            log.warning(
                "%d answers are cut off: their clients read less than runtime.min_send_rate, "
                "%d bytes a second",
                *(len(slow), self.adj.limits.min_send_rate),
            )

    def _warn(self, message: str, *facts: object) -> None:
        now = time.monotonic()
        if now - self._warned_at >= 1:
            self._warned_at = now
            log.warning(message, *facts)


def _move_descriptor(sock: socket) -> socket:
    """Give a connection another descriptor than the standard one that somebody has closed."""
    with sock:
        moved = socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, _LAST_STANDARD + 1))
    logs.open_standard_descriptors()
    return moved
