"""Ends a process that holds the GIL for too long.

In such a hang no Python code runs, so the kernel has to end the process. No library does this
safely on FC: a timer alone, such as that of faulthandler, also ends an instance that FC froze and
thawed. Measured with ``watchdog: 3``: a hang ends after 3.2 s, with the stacks of all threads; five
freezes of 10 s end nothing.

An instance that thaws finds that its timers have expired, before its Python code runs again. So
time must run out twice, the second time counted from when the process itself runs again. The
states::

            beat(busy)                expires                expires
    idle ──────────────▶ timer set ───────────▶ alarm set ───────────▶ stacks are written,
      ▲                   │     ▲                  │                   SIGALRM ends the process
      │   beat(not busy)  │     │  beat(busy)      │
      └───────────────────┘     └──────────────────┘  the loop runs: the alarm is cancelled

A busy loop sets the timer again at most twice a second. A thread of the C library calls ``alarm``
when the timer expires, and faulthandler writes the stacks inside the signal handler: neither needs
the GIL.
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

_BEAT_INTERVAL = 0.5  # seconds between two settings of the timer
_MIN_SECONDS = 3  # with less, the timer would expire between two beats of a healthy loop
_MARGIN = 0.05  # seconds; setting the timer takes less
_SIGEV_THREAD = 2


class _SigEvent(ctypes.Structure):
    """What happens when a timer expires; ``struct sigevent`` of Linux."""

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
    """Ends the process if the server's loop does not run while requests are in flight.

    Between ``seconds`` and ``seconds + 0.5`` after the last busy beat, the stacks of all threads
    are written to ``file`` and SIGALRM ends the process (exit status 142 in a shell). A process
    that was stopped for any time continues if its loop runs within half of ``seconds`` after the
    process runs again. Only if it is stopped a second time before that, it may be ended by mistake.

    The watchdog uses SIGALRM and ``signal.setitimer(ITIMER_REAL)`` until ``stop``. Create it in
    the main thread, and call ``beat`` in one thread only.

    Args:
        seconds: at least 3, and longer than the longest call into C that holds the GIL.
        file: where to write the stacks; its descriptor must stay open.

    Raises:
        OSError: the system has no such timers; only Linux has them.
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
        """Report that the loop runs, and whether requests are in flight."""
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
        """Stop watching, and restore what the watchdog used."""
        self.beat(busy=False)
        self._libc.timer_delete(self._timer)
        faulthandler.unregister(signal.SIGALRM)
        signal.signal(signal.SIGALRM, self._before)

    def _set(self, seconds: float) -> None:
        now = time.monotonic()
        if self._set_at is not None and now - self._set_at > self._timeout - _MARGIN:
            # the timer has expired, or does in a moment, and another thread sets the alarm then:
            # wait for that, or the alarm would come after it is cancelled below
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
    for name in (None, "librt.so.1"):  # the second before glibc 2.34, as on debian10 and debian11
        library = ctypes.PyDLL(name, use_errno=True)  # keeps the GIL: getting it back may take long
        if hasattr(library, "timer_create"):
            return library
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
