"""The event loop: it accepts connections, checks their clocks and assigns their requests."""

import contextlib
import errno
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING

from waitress import wasyncore
from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.server import TcpWSGIServer

from fcplug import protocol
from fcplug.process.forks import call_in_child
from fcplug.server.waitress.channel import ClientChannel
from fcplug.server.waitress.clocks import Clocks
from fcplug.server.waitress.descriptors import LAST_STANDARD, identity, move_off_standard
from fcplug.server.waitress.dispatcher import Dispatcher
from fcplug.server.waitress.interest import READ, WRITE, Interests
from fcplug.server.waitress.leader_followers import LeaderFollowers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fcplug.server.limits import WaitressSettings

log = logging.getLogger("fcplug.server")

POLL_TIMEOUT = 0.5  # seconds that a turn waits for events; also how long accepting pauses
MAX_ACCEPTS = 64  # connections accepted in one turn, before the events of the others
_CONTROL = protocol.environ_key(protocol.CONTROL_PATH)

_ENVIRON = {
    "SERVER_SOFTWARE": "fcplug",
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": ReadOnlyFileBasedBuffer,
    "wsgi.input_terminated": True,
}

Express = Callable[[str, str, str], bool]


class Server(TcpWSGIServer):
    """waitress's server over a socket that listens already, with an event loop of our own.

    One turn of the loop: check the clocks, wait for events, read and write the connections that
    have some, then let each unfinished connection parse a share of what it has received. The
    thread that turns the loop is the leader of ``dispatcher`` (``LeaderFollowers``), or the main
    thread while the server starts and stops.
    """

    channel_class = ClientChannel
    adj: "WaitressSettings"
    active_channels: dict[int, ClientChannel]  # type: ignore[assignment]  # made by channel_class
    interest = 0  # the events of the listener that the selector watches for
    draining = False  # the process is stopping: answers close their connections
    listener_lost = False  # other code has closed the listening socket

    def __init__(  # noqa: PLR0913 - half of them by name
        self,
        app: "WSGIApplication",
        sock: socket,
        settings: "WaitressSettings",
        *,
        express: Express,
        on_turn: Callable[[bool], None] = lambda _busy: None,
        answer_on_loop: bool = True,
    ) -> None:
        self._express = express
        self._on_turn = on_turn
        self.express_dispatcher = Dispatcher("express", 1)
        self._accept_after = self._warned_at = 0.0
        self._happened = 0  # events of the last turn
        self._most_connections = settings.limits.connection_limit
        self._unfinished: deque[ClientChannel] = deque()
        self._interests = Interests(busy_poll=answer_on_loop)
        self.dispatcher = LeaderFollowers(
            settings.limits.threads, self.turn, self.pull_trigger, answer_on_loop=answer_on_loop
        )
        super().__init__(
            app,
            map={},
            _sock=sock,
            dispatcher=self.dispatcher,
            adj=settings,
            bind_socket=False,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
        )
        self._clocks = Clocks(self.active_channels, settings.limits)
        self.environ = {
            **_ENVIRON,
            "SERVER_NAME": self.server_name,
            "SERVER_PORT": str(self.effective_port),
        }
        os.set_blocking(self.trigger.trigger, False)
        call_in_child(self.leave_to_parent)
        self._interests.add(self.trigger._fileno, self.trigger)
        self._identity = identity(self.socket)

    def pull_trigger(self) -> None:
        """End the current turn, from any thread; then every connection's interest is updated."""
        with contextlib.suppress(OSError):  # the pipe is full, so the turn ends anyway
            super().pull_trigger()

    def turn(self, timeout: float = POLL_TIMEOUT) -> None:
        """Handle the events of all sockets, waiting at most ``timeout`` seconds for one.

        An error that one connection causes ends that connection alone.
        """
        if self._clocks.check() and self.accepting:
            self._check_listener()
        busy = self.dispatcher.busy
        self._on_turn(busy or self._happened > 0)
        if not self.interest:
            self.update_interest(self)
        unfinished = len(self._unfinished)
        may_pay = self._happened == 1 and not busy
        ready = self._interests.wait(0 if unfinished else timeout, may_pay=may_pay)
        self._happened = len(ready) + unfinished
        for key, happened in ready:
            at = key.data
            if at is self.trigger:
                wasyncore.read(at)
                for channel in list(self.active_channels.values()):
                    self.update_interest(channel)
                continue
            events = happened & at.interest  # 0 once it is closed
            unasked = events & READ and not at.wanted() & READ
            try:
                if events & READ and not unasked:
                    at.handle_read_event()
                if events & WRITE:
                    at.handle_write_event()
                self._interests.update(at, leave_in=not unasked)
            except Exception as error:
                at.give_up(error)
        for _ in range(unfinished):
            channel = self._unfinished.popleft()
            try:
                channel.parse_more()
            except Exception as error:
                channel.give_up(error)
            self.update_interest(channel)

    def continue_later(self, channel: ClientChannel) -> None:
        """Let a connection parse more of what it received, after the events of all others."""
        self._unfinished.append(channel)
        if not self.dispatcher.is_leader:
            self.pull_trigger()

    def update_interest(self, at: "ClientChannel | Server", *, leave_in: bool = True) -> None:
        """Register the events that a connection, or the listener, waits for now."""
        try:
            self._interests.update(at, leave_in=leave_in)
        except (OSError, KeyError) as error:
            at.give_up(error)

    def unregister(self, at: "ClientChannel | Server") -> None:
        """Stop watching a connection, or the listener."""
        self._interests.remove(at)

    def add_task(self, channel: ClientChannel) -> None:
        """Assign the channel's first request to a thread; refusals and health checks go first."""
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
        """Whether the limit of connections is reached."""
        return len(self.active_channels) >= self._most_connections

    def wanted(self) -> int:
        """Return READ if connections are accepted now, else 0."""
        count = len(self.active_channels)
        if count >= self._most_connections:
            self._warn("%d connections, the limit: new ones wait", count)
            return 0
        return READ if self.accepting and time.monotonic() >= self._accept_after else 0

    def handle_accept(self) -> None:
        """Accept the connections that the kernel has completed."""
        for _ in range(MAX_ACCEPTS):
            if self.full or not self.accept_one():
                return

    def accept_one(self) -> bool:
        """Accept one connection; return False if there is none or accepting pauses."""
        try:
            sock, address = self.socket.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:
            return True
        except OSError as error:  # no descriptor or memory is left: do not retry at once
            self._accept_after = time.monotonic() + POLL_TIMEOUT
            self._check_listener()
            self._warn("accepting connections pauses: %s", os.strerror(error.errno or errno.EIO))
            return False
        if sock.fileno() <= LAST_STANDARD:
            sock = move_off_standard(sock)
        if stale := self.active_channels.get(sock.fileno()):
            stale.handle_close()  # else it would close the new connection
        try:
            self.set_socket_options(sock)
            channel = ClientChannel(self, sock, address, self.adj, map=self._map)
        except OSError:
            sock.close()  # the client has left already
        else:
            self.update_interest(channel)
        return True

    def give_up(self, error: Exception) -> None:
        """Pause accepting after an error of our own code; end it if its socket is lost."""
        log.error("accepting connections failed", exc_info=error)
        self._accept_after = time.monotonic() + POLL_TIMEOUT
        self._check_listener()

    def _check_listener(self) -> None:
        """End the process, after its answers, if other code has closed the listening socket."""
        if not self._owns_listener:
            log.critical(
                "code of a function closed the listening socket, descriptor %s: the process ends",
                self._fileno,
            )
            self.close_listener()
            self.listener_lost = True
            self.dispatcher.wakeup.notify()

    @property
    def accept_paused(self) -> bool:
        """Whether accepting pauses after an error; connections may wait in the kernel."""
        return time.monotonic() < self._accept_after

    def close_listener(self) -> None:
        """Close the listening socket: new connections are refused from now on."""
        self.accepting = False
        if not self._owns_listener:
            self.socket.detach()  # the number of its descriptor may be another file's now
        self.unregister(self)
        self.del_channel()
        self.socket.close()

    @property
    def _owns_listener(self) -> bool:
        return identity(self.socket) == self._identity

    def leave_to_parent(self) -> None:
        """Close the copies of the sockets in a forked child; only the parent answers on them."""
        for channel in list(self.active_channels.values()):
            channel.connected = False
            channel.socket.close()
        self.socket.close()

    def release(self) -> bool:
        """Close every connection and end idle threads; return whether no thread is left."""
        if self.accepting:
            self.close_listener()
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        return all([self.dispatcher.stop(), self.express_dispatcher.stop()])

    def close(self) -> None:
        """Close everything; the trigger only if no thread is left that might pull it.

        The number of a closed descriptor may belong to another file when a thread writes to it.
        """
        if self.release():
            parts = self._interests, self.dispatcher, self.trigger, self.trigger.socket
            for each in parts:  # the trigger gives up at the first error, and leaves its socket
                with contextlib.suppress(OSError):  # other code has closed it already
                    each.close()

    def _warn(self, message: str, *facts: object) -> None:
        now = time.monotonic()
        if now - self._warned_at >= 1:
            self._warned_at = now
            log.warning(message, *facts)
