"""The metrics of functions, by OpenTelemetry's conventions for FaaS."""

from __future__ import annotations

from opentelemetry.context import Context as TraceContext
from opentelemetry.metrics import Meter

KEPT_ATTRIBUTES = {"faas.name", "faas.trigger", "error.type", "fcplug.function"}
"""The attributes that make series; others, as the request id, are in exemplars only."""

_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # seconds

Attributes = dict[str, str]


class Instruments:
    """Records what a phase was: how long it took, and how it ended."""

    def __init__(self, meter: Meter) -> None:
        self._invocations = meter.create_counter(
            "faas.invocations", "{invocation}", "Number of successful invocations"
        )
        self._errors = meter.create_counter("faas.errors", "{error}", "Number of invocation errors")
        self._timeouts = meter.create_counter(
            "faas.timeouts", "{timeout}", "Number of invocation timeouts"
        )
        self._cold_starts = meter.create_counter(
            "faas.coldstarts", "{coldstart}", "Number of invocation cold starts"
        )
        self._durations = meter.create_histogram(
            "faas.invoke_duration", "s", "Duration of the invocation",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )  # fmt: skip
        self._initializations = meter.create_histogram(
            "faas.init_duration", "s", "Duration of the function's initialization",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )  # fmt: skip

    def initialized(self, seconds: float, attributes: Attributes, around: TraceContext) -> None:
        """Record that a function was initialized, which it is once in a process."""
        self._initializations.record(seconds, attributes, around)
        self._cold_starts.add(1, attributes, around)

    def invoked(self, seconds: float, attributes: Attributes, around: TraceContext) -> None:
        """Record an invocation that succeeded."""
        self._durations.record(seconds, attributes, around)
        self._invocations.add(1, attributes, around)

    def failed(
        self, seconds: float, attributes: Attributes, around: TraceContext, *, timed_out: bool
    ) -> None:
        """Record an invocation that failed; the attributes hold its ``error.type``."""
        self._durations.record(seconds, attributes, around)
        self._errors.add(1, attributes, around)
        if timed_out:
            self._timeouts.add(1, attributes, around)
