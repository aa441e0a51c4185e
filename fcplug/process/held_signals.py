"""Signals that come before the process can act on them."""

import os
import signal
from collections.abc import Iterator
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)
_ALL = (*STOP, signal.SIGHUP)


class Held:
    """A handler that notes signals; a second stop signal ends the process at once.

    Attributes:
        stop: the first stop signal that came.
        hangup: whether SIGHUP came.
    """

    def __init__(self) -> None:
        self.stop: int | None = None
        self.hangup = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal."""
        if number == signal.SIGHUP:
            self.hangup = True
        elif self.stop is None:
            self.stop = number
        else:
            os._exit(128 + number)  # as a shell reports it; nothing may hold up a second signal


def hold(*, forget: bool = False) -> None:
    """Keep SIGTERM, SIGINT and SIGHUP for whoever can act on them, as soon as there is somebody.

    What is held already stays so, except with ``forget``: in a process that was just forked it is
    the parent's.
    """
    if forget or current() is None:
        held = Held()
        for number in _ALL:
            signal.signal(number, held)


def current() -> Held | None:
    """Return the handler that holds the stop signals, or None."""
    handler = signal.getsignal(signal.SIGTERM)
    return handler if isinstance(handler, Held) else None


def release() -> Iterator[int]:
    """Yield each signal that is held, once."""
    held = current()
    if held and held.hangup:
        held.hangup = False
        yield signal.SIGHUP
    if held and held.stop is not None:
        number, held.stop = held.stop, None
        yield number
