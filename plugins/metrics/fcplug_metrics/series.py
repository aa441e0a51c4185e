"""The metrics, and the series of each function."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fcplug.observerspecs import Call
from fcplug.result import error_type_of

_MOST_ERRORS = 50  # classes of errors of one function; the others share a series
_OTHER = "other"
_LABELS = ("function", "kind")
_FUNCTION = ("function",)


class _OfCalls(NamedTuple):
    """The series of one function, for one kind of call."""

    invocations: Counter
    refusals: Counter
    durations: Histogram
    queueing: Histogram
    in_flight: Gauge
    waiting: Gauge


class Series:
    """Counts what happens to calls; quick, as calls wait for it, and safe on many threads."""

    def __init__(self, registry: CollectorRegistry | None, buckets: Sequence[float]) -> None:
        """Make the metrics; ``registry`` is None where files are read instead."""
        counter = partial(Counter, registry=registry, labelnames=_LABELS)
        gauge = partial(Gauge, registry=registry, labelnames=_LABELS, multiprocess_mode="livesum")
        histogram = partial(Histogram, registry=registry, labelnames=_LABELS, buckets=buckets)
        self._invocations = counter("fcplug_invocations", "Calls that were admitted and have ended")
        self._failures = counter(
            "fcplug_failures", "Invocations that failed, by the class of the error",
            labelnames=(*_LABELS, "error"),
        )  # fmt: skip
        self._refusals = counter(
            "fcplug_refusals", "Calls that were refused: as many ran and waited as may"
        )
        self._durations = histogram(
            "fcplug_duration_seconds", "Time from the admission of a call to its answer"
        )
        self._queueing = histogram(
            "fcplug_queue_seconds", "Time from the arrival of a call to its admission"
        )
        self._in_flight = gauge("fcplug_in_flight", "Calls that run")
        self._waiting = gauge("fcplug_waiting", "Calls that wait")
        self._cold_starts = counter(
            "fcplug_cold_starts", "Functions initialized, once in each process",
            labelnames=_FUNCTION,
        )  # fmt: skip
        self._initializing = histogram(
            "fcplug_initialize_seconds", "Duration of initialize hooks",
            labelnames=_FUNCTION,
        )  # fmt: skip
        self._initialize_failures = counter(
            "fcplug_initialize_failures", "Initialize hooks that failed", labelnames=_FUNCTION
        )
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _OfCalls] = {}
        self._errors: dict[str, set[str]] = {}

    def received(self, call: Call) -> None:
        """Count a call that waits, if only for a moment."""
        self._of(call).waiting.inc()

    def started(self, call: Call) -> None:
        """Count a call that runs."""
        series = self._of(call)
        series.waiting.dec()
        series.in_flight.inc()
        if call.started is not None:
            series.queueing.observe(call.started - call.received)

    def ended(self, call: Call) -> None:
        """Count how a call has ended."""
        series = self._of(call)
        if call.started is None:
            series.waiting.dec()
        else:
            series.in_flight.dec()
        if call.refused:
            series.refusals.inc()
            return
        series.invocations.inc()
        if call.started is not None and call.ended is not None:
            series.durations.observe(call.ended - call.started)
        if error := _error_of(call):
            name = self._bounded(call.function, error)
            self._failures.labels(call.function, call.kind, name).inc()

    def initialized(self, function: str, seconds: float, *, failed: bool) -> None:
        """Count that a function was initialized, or that this failed."""
        if failed:
            self._initialize_failures.labels(function).inc()
        else:
            self._cold_starts.labels(function).inc()
            self._initializing.labels(function).observe(seconds)

    def _of(self, call: Call) -> _OfCalls:
        key = (call.function, call.kind)
        series = self._known.get(key)
        if series is None:
            series = self._known[key] = _OfCalls(
                self._invocations.labels(*key),
                self._refusals.labels(*key),
                self._durations.labels(*key),
                self._queueing.labels(*key),
                self._in_flight.labels(*key),
                self._waiting.labels(*key),
            )
        return series

    def _bounded(self, function: str, error: str) -> str:
        """Return the class of an error, or one name for all that are too many."""
        with self._lock:
            known = self._errors.setdefault(function, set())
            if error not in known and len(known) >= _MOST_ERRORS:
                return _OTHER
            known.add(error)
            return error


def _error_of(call: Call) -> str:
    """Return what failed: the class of the error, or the status of a web answer; else ``""``."""
    if call.error is not None:
        return error_type_of(call.error)
    return str(call.status) if call.status is not None and call.status >= 500 else ""
