"""The way out of a hang that holds the GIL: no Python code runs, so the kernel ends the process.

Being late is not enough to be ended: FC freezes instances, and one that thaws finds its timers
long expired before its Python code had a single turn. So time must run out twice, the second time
counted from when the process itself ran again, which a stopped process cannot use up::

    beat ──▶ kernel's timer ── runs out ──▶ alarm ── runs out ──▶ stacks, SIGALRM ends it
      ▲   twice a second, if busy             │
      └───────────────────────────────────────┘  the loop lives: called off

The kernel has a thread of the C library call ``alarm``, and faulthandler writes the stacks inside
the signal handler: neither needs the GIL.
"""

import ctypes
import errno
import faulthandler
import math
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_BEAT_INTERVAL = 0.5  # seconds between two settings of the timer, however often the loop turns
_MIN_SECONDS = 3  # seconds: less, and the timer would run out between two beats of a healthy loop
_MARGIN = 0.05  # seconds: more than a setting of the timer takes
_SIGEV_THREAD = 2


class _SigEvent(ctypes.Structure):
    """What the kernel does when a timer has run out; ``struct sigevent`` of Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("_room", ctypes.c_char * 64),
    )


class _TimerSpec(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (
        ("interval", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Watchdog:
    """Ends the process when the server's loop has had no turn for a while with requests in flight.

    Between ``seconds`` and ``seconds + 0.5`` after the last busy beat, the stacks of all threads
    are written to ``file`` and SIGALRM ends the process (exit status 142 in a shell). A process
    that was stopped, however long, goes on if its loop has a turn within half of ``seconds`` of
    running again; only one that is stopped a second time before that turn may be ended by mistake.

    SIGALRM and ``signal.setitimer(ITIMER_REAL)`` are the watchdog's as long as it lives. Make it
    in the main thread, and beat in one thread only.

    Args:
        seconds: at least 3; long enough for the longest call into C that holds the GIL.
        file: where the stacks go; its descriptor must stay open.

    Raises:
        OSError: the system has no timers of this kind: it is not Linux.
        ValueError: this is not the main thread, or ``seconds`` is too short.
    """

    def __init__(self, seconds: float, file: "FileDescriptorLike") -> None:
        if seconds < _MIN_SECONDS:
            raise ValueError(f"a watchdog of {seconds} s: at least {_MIN_SECONDS} s")
        grace = math.ceil(seconds / 2 + _BEAT_INTERVAL)  # whole seconds, as alarm() counts
        self._timeout = seconds + _BEAT_INTERVAL - grace
        self._set_at: float | None = None
        self._libc = _libc()
        self._before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._timer = ctypes.c_void_p()
        alarm = ctypes.cast(self._libc.alarm, ctypes.c_void_p).value
        event = _SigEvent(value=grace, notify=_SIGEV_THREAD, function=alarm)
        if self._libc.timer_create(
            time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)
        ):
            raise OSError(ctypes.get_errno(), "timer_create")
        faulthandler.register(signal.SIGALRM, file, all_threads=True, chain=True)

    def beat(self, busy: bool) -> None:
        """Say that the loop has had a turn, and whether requests are in flight."""
        if not busy:
            if self._set_at is not None:
                self._set(0.0)
                self._set_at = None
            return
        now = time.monotonic()
        if self._set_at is None or now - self._set_at >= _BEAT_INTERVAL:
            self._set(self._timeout)
            self._set_at = now

    def stop(self) -> None:
        """Watch no longer, for good."""
        self.beat(busy=False)
        self._libc.timer_delete(self._timer)
        faulthandler.unregister(signal.SIGALRM)
        signal.signal(signal.SIGALRM, self._before)

    def _set(self, seconds: float) -> None:
        now = time.monotonic()
        if self._set_at is not None and now - self._set_at > self._timeout - _MARGIN:
            # it has run out or will at once, and another thread sets the alarm then: call that
            # off only when it is there
            while (
                not signal.getitimer(signal.ITIMER_REAL)[0]
                and time.monotonic() < now + _BEAT_INTERVAL
            ):
                time.sleep(0.001)
        signal.alarm(0)
        whole, part = divmod(seconds, 1)
        spec = _TimerSpec(seconds=int(whole), nanoseconds=int(part * 1e9))
        self._libc.timer_settime(self._timer, 0, ctypes.byref(spec), None)


def _libc() -> ctypes.PyDLL:
    for name in (None, "librt.so.1"):  # the latter before glibc 2.34, as on debian10 and debian11
        library = ctypes.PyDLL(name, use_errno=True)  # keeps the GIL: it may be long in coming back
        if hasattr(library, "timer_create"):
            return library
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
