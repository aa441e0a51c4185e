"""From a listening socket to an exit code."""

import contextlib
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING

from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.signals import StopSignals
from fcplug.server.waitress.drain import drain
from fcplug.server.waitress.loop import Express, Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _nothing(*_: object) -> None:
    return


def serve(  # noqa: PLR0913 - all that a server is told, and most of it by name
    app: "WSGIApplication",
    sock: socket,
    limits: Limits,
    *,
    express: Express,
    on_stop: Callable[[], None],
    on_turn: Callable[[bool], None] = _nothing,
    on_drain: Callable[[], None] = _nothing,
) -> int:
    """Serve until SIGTERM or SIGINT, finish what was accepted, return the exit code.

    Takes the socket over and closes it. A second signal ends the process at once, with
    128 + its number.

    The caller ends the process with ``os._exit`` after flushing its output: ``sys.exit`` joins
    every non-daemon thread, and one that a handler left behind would keep the process, and the
    platform waiting, for ever.

    Args:
        app: the WSGI application; called in ``limits.threads`` threads and one more.
        sock: a socket that listens.
        limits: what a client may ask.
        express: tells by method, path and FC's control path which requests have a thread of their
            own, so that they are answered while all others are busy: health checks. Called for
            every request in the loop's thread: it must be quick and must not raise.
        on_stop: called when the last answer is sent or abandoned; brings its own time limit.
        on_turn: called at each turn of the loop, at least twice a second, with whether requests
            are in flight; before any work of a request begins, too.
        on_drain: called when a stop signal came, before the listener closes.

    Returns:
        0, or 1 when ``limits.drain_timeout`` passed with requests unanswered (logged).

    Raises:
        RuntimeError: this is not the main thread.
    """
    server = Server(app, sock, WaitressSettings(limits, sock), express=express, on_turn=on_turn)
    with contextlib.closing(server), StopSignals(server.dispatcher.wakeup.descriptor) as stop:
        server.dispatcher.run_until(until=lambda: stop.received)
        server.draining = True
        on_drain()
        abandoned = drain(server)
        on_turn(False)
        on_stop()
    return int(any(abandoned))
