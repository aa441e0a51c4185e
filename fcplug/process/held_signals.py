"""Signals that arrive before the process can act on them are kept until it can."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

STOP = (signal.SIGTERM, signal.SIGINT)
_ALL = (*STOP, signal.SIGHUP)

_REPEAT = 2.0  # seconds in which a supervised process may get the same stop twice


class HeldSignals:
    """A signal handler that notes signals; a second stop signal ends the process at once.

    Except that a supervised process ignores one that comes right after the first: systemd signals
    all processes of a service, and then the supervisor passes the signal on. To end such a process
    at once the supervisor kills it.

    Attributes:
        supervised: whether a supervisor passes its signals on to this process.
        stop: the first stop signal that arrived.
        hangup: whether SIGHUP arrived.
    """

    def __init__(self, *, supervised: bool = False) -> None:
        self.supervised = supervised
        self.stop: int | None = None
        self.hangup = False
        self._stopped_at = 0.0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal."""
        if number == signal.SIGHUP:
            self.hangup = True
        elif self.stop is None:
            self.stop = number
            self.note_stop()
        elif not self.is_repeat():
            os._exit(128 + number)  # as a shell reports it; a second signal must not wait

    def note_stop(self) -> None:
        """Note the time of the first stop signal."""
        self._stopped_at = time.monotonic()

    def is_repeat(self) -> bool:
        """Return whether a stop signal that arrives now is the first one again."""
        return self.supervised and time.monotonic() - self._stopped_at < _REPEAT


def hold(*, discard: bool = False) -> None:
    """Keep SIGTERM, SIGINT and SIGHUP until code that handles them calls ``release``.

    Signals that are held already stay held. ``discard`` drops them: in a process that its
    supervisor has just forked they belong to the supervisor.
    """
    if discard or current() is None:
        held = HeldSignals(supervised=discard)
        for number in _ALL:
            signal.signal(number, held)


def current() -> HeldSignals | None:
    """Return the handler that holds the stop signals, or None."""
    handler = signal.getsignal(signal.SIGTERM)
    return handler if isinstance(handler, HeldSignals) else None


def release() -> Iterator[int]:
    """Yield each signal that is held, once."""
    held = current()
    if held and held.hangup:
        held.hangup = False
        yield signal.SIGHUP
    if held and held.stop is not None:
        number, held.stop = held.stop, None
        yield number


class _ForkedSignals:
    """Gives forked children the default signal handlers, as the handler's code expects.

    The signals are blocked during the fork. Otherwise one that arrives in the child before it has
    its default handlers would be lost in the handler of the runtime.
    """

    def __init__(self) -> None:
        self._masks: dict[int, Any] = {}  # by thread: the mask before the fork that it is in

    def block(self) -> None:
        """Block the signals, before the fork."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        self._masks[threading.get_ident()] = mask

    def unblock(self) -> None:
        """Restore the mask, in the parent."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident()))

    def unblock_in_child(self) -> None:
        """Replace the runtime's handlers by the default ones, then restore the mask."""
        for number in _ALL:
            if getattr(signal.getsignal(number), "__module__", "").startswith("fcplug."):
                default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, default)
                signal.set_wakeup_fd(-1)
        self.unblock()


_forked = _ForkedSignals()
os.register_at_fork(
    before=_forked.block,
    after_in_parent=_forked.unblock,
    after_in_child=_forked.unblock_in_child,
)
