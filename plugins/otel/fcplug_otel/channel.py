"""One signal on its way to the collector: what waits, and whether invocations wait for it.

The states::

    awaited ──2 failures in a row──▶ not awaited ──an export in time──▶ awaited

A failure is an export that failed, or an invocation that stopped waiting for one. While the channel
is not awaited, its exports go on beside the invocations, with pauses that double.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from fcplug_otel.session import CollectorSession, Outcome

_Item = TypeVar("_Item")

_FAILURES = 2  # in a row, until no invocation waits any more
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between exports while they fail
_BATCH = 512  # items of one request

log = logging.getLogger("fcplug.otel")


class Pace(NamedTuple):
    """Seconds: what an export may take to be in time; from one to the next if nobody asks."""

    in_time: float
    every: float = 0.0


class Channel(Generic[_Item]):
    """The items of one signal that wait, and the way to export them.

    Attributes:
        awaited: whether an invocation waits for the export.
        collect: called before an export, to put what is to be exported.
    """

    def __init__(
        self,
        signal: str,
        make_export: Callable[[CollectorSession], Callable[[Sequence[_Item]], bool]],
        *,
        capacity: int,
        pace: Pace,
    ) -> None:
        """Make a channel.

        Args:
            signal: its name, for the log.
            make_export: makes what exports items and returns whether it succeeded.
            capacity: how many items wait at most; then the oldest are dropped.
            pace: how long exports take, and how often they come.
        """
        self.signal = signal
        self.awaited = True
        self._make_export = make_export
        self._capacity = capacity
        self._pace = pace
        self.collect: Callable[[], None] | None = None
        self._quiet = False
        self._refusal: str | None = None
        self.reset()

    def reset(self) -> None:
        """Begin again without items and connections, as in a process that was forked."""
        self._items: deque[_Item] = deque(maxlen=self._capacity)
        self._session = CollectorSession()
        self._export: Callable[[Sequence[_Item]], bool] | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_pause = 0.0
        self._next_try = self._next_export = 0.0

    def put(self, item: _Item) -> None:
        """Add an item, from any thread."""
        self._items.append(item)

    @property
    def half_full(self) -> bool:
        """Whether an export should not wait for its usual time."""
        return len(self._items) * 2 >= self._capacity > 1

    def send(self, *, asked: bool) -> None:
        """Export all items, on the one thread that exports; keep them if that fails.

        ``asked`` is whether somebody asked for an export, and the time between two does not count.
        """
        now = time.monotonic()
        if now < self._next_try or (not asked and now < self._next_export):
            return
        self._next_export = now + self._pace.every
        if self.collect:
            self.collect()
        for _ in range(len(self._items)):  # a bound, as items may be put all the time
            batch = self._take()
            if not batch:
                return
            started = time.monotonic()
            outcome, reason = self._try(batch)
            if outcome is Outcome.FAILED:
                self._keep(batch)
                self._failed(reason)
                return
            if outcome is Outcome.REFUSED:
                self._refused(len(batch), reason)
            self._succeeded(in_time=time.monotonic() - started <= self._pace.in_time)

    def late(self) -> None:
        """Count an invocation that stopped waiting for this channel."""
        with self._lock:
            self._count("no answer in time")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _try(self, batch: list[_Item]) -> tuple[Outcome, str]:
        """Export a batch; return how it ended, and why if it failed."""
        self._session.begin()
        try:
            export = self._export = self._export or self._make_export(self._session)
            succeeded = export(batch)
        except Exception as error:
            return Outcome.REFUSED, type(error).__name__
        return self._session.outcome(succeeded=succeeded), self._session.reason

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        while self._items and len(batch) < _BATCH:
            batch.append(self._items.popleft())
        return batch

    def _keep(self, batch: list[_Item]) -> None:
        room = self._capacity - len(self._items)
        self._items.extendleft(reversed(batch[-room:] if room > 0 else []))

    def _failed(self, reason: str) -> None:
        with self._lock:
            self._count(reason or "no answer")
            if not self.awaited:
                self._retry_pause = min(max(self._retry_pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
                self._next_try = time.monotonic() + self._retry_pause

    def _count(self, reason: str) -> None:
        self._failures += 1
        if self._failures < _FAILURES or not self.awaited:
            return
        self.awaited = False
        if not self._quiet:
            self._quiet = True
            log.warning(
                "the OpenTelemetry collector takes no %s: %s. Invocations do not wait for it until "
                "it answers in time; up to %d items are kept. Is it at the endpoint of the "
                "settings, or of OTEL_EXPORTER_OTLP_ENDPOINT?",
                self.signal,
                reason,
                self._capacity,
            )

    def _succeeded(self, *, in_time: bool) -> None:
        with self._lock:
            self._retry_pause = self._next_try = 0.0
            if not in_time:
                return
            self._failures = 0
            if not self.awaited:
                self.awaited = True
                self._quiet = False
                log.info("the OpenTelemetry collector takes %s again", self.signal)

    def _refused(self, count: int, reason: str) -> None:
        if reason == self._refusal:
            return
        self._refusal = reason
        log.warning(
            "%d %s are dropped, and more without a further word: %s",
            count,
            self.signal,
            reason or "they cannot be encoded",
        )
