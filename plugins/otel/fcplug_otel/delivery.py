"""The one thread of a process that exports, and those that wait for it for a bounded time.

A flush is a ticket with the next number. The thread notes the highest ticket, exports all channels
that are awaited, and then serves all tickets up to that one: flushes that come while an export runs
share the next one. Channels that are not awaited come last, so that nobody waits behind them.
The thread also notices invocations whose time is up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry import context as trace_context

from fcplug_otel.channel import Channel
from fcplug_otel.deadlines import Deadlines, OnLate

NAME = "fcplug-otel"  # of the thread
_SUPPRESS = "suppress_instrumentation"  # what instrumentations of HTTP clients look for

log = logging.getLogger("fcplug.otel")


class Delivery:
    """Exports the channels when a flush asks for it, and from time to time if asked to.

    Attributes:
        channels: those of all signals.
    """

    def __init__(self, channels: Sequence[Channel[Any]], interval: float | None) -> None:
        """Make it; ``interval`` is in seconds, None for exports by ``flush`` alone."""
        self.channels = channels
        self._interval = interval
        self._reset()

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._deadlines = Deadlines()
        self._asked = self._served = 0
        self._closing = False
        self._sending: Channel[Any] | None = None

    def after_fork(self) -> None:
        """Begin again in a child: its parent exports what was recorded before."""
        self._reset()
        for channel in self.channels:
            channel.reset()

    def flush(self, seconds: float) -> bool:
        """Export what was recorded so far; return whether that happened within these seconds."""
        with self._condition:
            self._asked += 1
            ticket = self._asked
            self._start()
            self._condition.notify_all()
            if not any(channel.awaited for channel in self.channels):
                return False
            if self._condition.wait_for(lambda: self._served >= ticket, max(seconds, 0)):
                return True
            late = self._sending
        if late is not None:
            # while a channel that nobody awaits holds the thread, no other is exported either
            for channel in (late,) if late.awaited else self.channels:
                channel.late()
        return False

    def watch(self, deadline: float, on_late: OnLate) -> None:
        """Call ``on_late`` on the thread, at a moment of ``time.monotonic()`` or soon after."""
        with self._condition:
            self._start()
            if self._deadlines.add(deadline, on_late):
                self._condition.notify_all()

    def unwatch(self, on_late: OnLate) -> None:
        """Forget a deadline."""
        with self._condition:
            self._deadlines.remove(on_late)

    def run_beside(self) -> None:
        """Let the thread export at its intervals, or at once if much waits."""
        if self._thread is None or any(channel.half_full for channel in self.channels):
            with self._condition:
                self._start()
                if any(channel.half_full for channel in self.channels):
                    self._asked = max(self._asked, self._served + 1)
                    self._condition.notify_all()

    def close(self, seconds: float) -> None:
        """Export what is left, within these seconds, and end the thread."""
        until = time.monotonic() + seconds
        self.flush(seconds)
        with self._condition:
            self._closing = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        trace_context.attach(trace_context.set_value(_SUPPRESS, True))
        while True:
            asked, ticket, closing = self._wait()
            if not closing:
                self._send(awaited=True, asked=asked)
            with self._condition:
                self._served = max(ticket, self._served)
                self._condition.notify_all()
            if closing:
                break
            self._send(awaited=False, asked=asked)
        for channel in self.channels:
            channel.close()

    def _wait(self) -> tuple[bool, int, bool]:
        """Wait for something to do: a flush, the interval, a deadline, or the end.

        Returns whether an export is asked for, the highest ticket, and whether to end.
        """
        with self._condition:
            if self._asked == self._served and not self._closing:
                self._condition.wait(self._deadlines.plan(self._interval))
            late = self._deadlines.late()
        for on_late in late:
            on_late()
        with self._condition:
            asked = self._asked > self._served or bool(late)
            return asked, self._asked, self._closing

    def _send(self, *, awaited: bool, asked: bool) -> None:
        for channel in self.channels:
            if channel.awaited is not awaited:
                continue
            self._sending = channel
            try:
                channel.send(asked=asked)
            except Exception:
                log.exception("%s could not be exported", channel.signal)
        self._sending = None
