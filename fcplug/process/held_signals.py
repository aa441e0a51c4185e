"""Signals that come before the process can act on them."""

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

STOP = (signal.SIGTERM, signal.SIGINT)
_ALL = (*STOP, signal.SIGHUP)


class HeldSignals:
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


def hold(*, discard: bool = False) -> None:
    """Keep SIGTERM, SIGINT and SIGHUP for whoever can act on them, as soon as there is somebody.

    What is held already stays so, except with ``discard``: in a process that was just forked it is
    the parent's.
    """
    if discard or current() is None:
        held = HeldSignals()
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
    """Gives forked children default signals, so that they end as their parent's code expects.

    A signal that a child gets before it has them waits: the runtime's handler would swallow it.
    """

    def __init__(self) -> None:
        self._masks: dict[int, Any] = {}  # of each thread that is forking at this moment

    def hold(self) -> None:
        """Hold signals back, before the fork."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        self._masks[threading.get_ident()] = mask

    def release(self) -> None:
        """Let them come again, in the parent."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident()))

    def release_in_child(self) -> None:
        """Take the runtime's handlers away, then let them come again."""
        for number in _ALL:
            if getattr(signal.getsignal(number), "__module__", "").startswith("fcplug."):
                default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, default)
                signal.set_wakeup_fd(-1)
        self.release()


_forked = _ForkedSignals()
os.register_at_fork(
    before=_forked.hold,
    after_in_parent=_forked.release,
    after_in_child=_forked.release_in_child,
)
