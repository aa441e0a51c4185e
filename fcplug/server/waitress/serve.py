"""Serve on a listening socket until a stop signal comes."""

import contextlib
import logging
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.signals import StopSignals
from fcplug.server.waitress.drain import drain
from fcplug.server.waitress.loop import Express, Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fcplug.server")


def _nothing(*_: object) -> None:
    return


def serve(  # noqa: PLR0913 - everything that a server needs, mostly by name
    app: "WSGIApplication",
    sock: socket,
    limits: Limits,
    *,
    express: Express,
    on_stop: Callable[[], None],
    on_turn: Callable[[bool], None] = _nothing,
    on_drain: Callable[[], None] = _nothing,
    answer_on_loop: bool = True,
) -> int:
    """Serve until SIGTERM or SIGINT, finish what was accepted, return the exit code.

    Takes ownership of the socket and closes it. A second signal ends the process at once, with
    128 + its number.

    The caller ends the process with ``os._exit`` after flushing its output: ``sys.exit`` joins
    every non-daemon thread, so one that a handler left behind would keep the process running and
    the platform waiting.

    Args:
        app: the WSGI application; called in ``limits.threads`` threads and one more.
        sock: a listening socket.
        limits: what a client may send and how long it may take.
        express: returns by method, path and FC's control path whether a request is answered in a
            thread of its own, even while all others are busy: a health check. Called for every
            request in the loop's thread: it must be quick and must not raise.
        on_stop: called when the last answer is sent or abandoned; has its own time limit.
        on_turn: called at each turn of the loop, at least twice a second, with whether requests
            are in flight; also before any work of a request begins.
        on_drain: called when a stop signal has come, before the listener closes.
        answer_on_loop: whether the thread of the loop answers requests itself while that is
            quick; False hands every request to another thread.

    Returns:
        0, or 1 when ``limits.drain_timeout`` passed with requests unanswered, or when other code
        has closed the listening socket or descriptors of the loop (all are logged).

    Raises:
        RuntimeError: this is not the main thread.
    """
    server = Server(
        app,
        sock,
        WaitressSettings(limits, sock),
        express=express,
        on_turn=on_turn,
        answer_on_loop=answer_on_loop,
    )
    with contextlib.closing(server), StopSignals(server.dispatcher.wakeup.descriptor) as stop:
        try:
            server.dispatcher.run_until(lambda: stop.received() or server.listener_lost)
            server.draining = True
            on_drain()
            abandoned = drain(server)
        except OSError as error:
            log.critical(
                "code of a function closed the descriptors of the event loop (%s): the process "
                "ends at once",
                error,
            )
            return 1
        on_turn(False)
        on_stop()
    return int(any(abandoned) or server.listener_lost)
