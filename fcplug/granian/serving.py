"""From a listening socket to an exit code, with granian's threads in between."""

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from fcplug.errors import ServerMissing
from fcplug.granian.call import Call, House
from fcplug.granian.messages import Exchange, Loop
from fcplug.granian.turns import Turns
from fcplug.server.limits import Limits
from fcplug.server.signals import StopSignals

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fcplug.granian")

_KNOWN = "2.8."  # the one minor version whose native worker is known here
_RESERVE = 2  # threads that carry messages, and answer health checks, while all others answer
_TURN = 0.5  # seconds
_BACKLOG = 1024


def require() -> Any:
    """Return granian's native part.

    Raises:
        ServerMissing: it is not installed, or in a version that is not known here.
    """
    try:
        from granian import _granian  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ServerMissing("granian", "is not installed") from error
    if not _granian.__version__.startswith(_KNOWN):
        raise ServerMissing("granian", f"is {_granian.__version__}, and only {_KNOWN}* is known")
    return _granian


def _nothing(*_: object) -> None:
    return


def serve(  # noqa: PLR0913 - as the other server's
    app: "WSGIApplication",
    sock: socket.socket,
    limits: Limits,
    *,
    express: Callable[[str, str, str], bool],
    on_stop: Callable[[], None],
    on_turn: Callable[[bool], None] = _nothing,
    on_drain: Callable[[], None] = _nothing,
) -> int:
    """Serve until SIGTERM or SIGINT, finish what was accepted, return the exit code.

    As ``fcplug.server.serve``, with these differences: of the limits, those on how slowly a head
    or a body may come are not kept; ``express`` requests are answered in threads of granian's; and
    ``on_turn`` is always told that requests are in flight, since one may begin between two turns.

    Raises:
        RuntimeError: this is not the main thread.
        ServerMissing: granian is not installed.
    """
    house = House(app, limits, express, Turns(limits.threads))
    bell, wake = socket.socketpair()
    bell.setblocking(False)
    wake.setblocking(False)
    with closing(sock), closing(bell), closing(wake), StopSignals(wake.fileno()) as stop:
        server = _Server(house)
        server.start(require(), sock)
        while not stop.received:
            on_turn(True)
            _sleep(bell)
        on_drain()
        abandoned = server.drain(sock, lambda: on_turn(True))
        on_turn(False)
        on_stop()
    return int(abandoned)


def _sleep(bell: socket.socket) -> None:
    """Sleep for a turn, or until a signal."""
    select.select([bell], [], [], _TURN)
    with suppress(BlockingIOError):
        bell.recv(64)


class _Server:
    """granian's worker, and the requests that it has brought."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._in_flight = 0
        self._parting = False
        self._ended = threading.Event()
        self._signal: Any = None

    def start(self, native: Any, sock: socket.socket) -> None:
        """Have granian accept connections; its threads call ``_bring`` with each request."""
        from granian.http import HTTP1Settings  # noqa: PLC0415 - an extra

        logging.getLogger("_granian").setLevel(logging.WARNING)  # it tells of each start
        limits = self._house.limits
        self._signal = native.WorkerSignal()
        self._signal.add_cb(self._ended.set)
        # the one timeout there is: from one request's end to the end of the next one's head
        settings = HTTP1Settings(
            header_read_timeout=int(limits.idle_timeout * 1000), max_buffer_size=limits.max_header
        )
        worker = native.ASGIWorker(
            1,
            (None, native.SocketHolder(os.dup(sock.fileno()), False, _BACKLOG)),
            None,
            py_threads=limits.threads + _RESERVE,
            backpressure=limits.connection_limit,
            http1_opts=settings,
            metrics=(None, None),
        )
        loop = Loop()
        scheduler = native.CallbackScheduler(loop, self._bring, None, None, None)
        scheduler._schedule_fn = self._bring
        worker.serve_mtr(scheduler, loop, self._signal)

    def drain(self, sock: socket.socket, on_turn: Callable[[], None]) -> bool:
        """Finish what was accepted; tell whether something was abandoned.

        For ``linger`` all goes on as before, except that each answer closes its connection: what
        is on its way still comes in. Then no connection is accepted, and idle ones are closed.
        """
        limits = self._house.limits
        started = time.monotonic()
        self._parting = True
        while time.monotonic() - started < min(limits.linger, limits.drain_timeout):
            on_turn()
            self._ended.wait(min(_TURN, limits.linger))
        self._signal.set()
        sock.close()
        while not self._ended.wait(0.05) and time.monotonic() - started < limits.drain_timeout:
            on_turn()
        if self._ended.is_set():
            return False
        passed = time.monotonic() - started
        what = f"{self._in_flight} requests" if self._in_flight else "answers unsent"
        log.error("stopping after %.1f s, abandoned: %s", passed, what)
        return True

    def _bring(self, watcher: Any) -> None:
        with self._lock:
            self._in_flight += 1
        Call(self._house, Exchange(watcher), lambda: self._parting).begin(self._leave)

    def _leave(self) -> None:
        with self._lock:
            self._in_flight -= 1
