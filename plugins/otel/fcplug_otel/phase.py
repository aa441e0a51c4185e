"""The span and the metrics of one phase of a function."""

from __future__ import annotations

import threading
import time

from opentelemetry import context as trace_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from fcplug import Context
from fcplug.result import error_type_of, format_error, message_of
from fcplug_otel.parents import parent_of
from fcplug_otel.records import REQUEST_ID
from fcplug_otel.resource import resource_id
from fcplug_otel.telemetry import Telemetry

_TIMEOUT = "FunctionTimeoutError"  # what the runtime raises for the caller
_START = 4096  # bytes of an event in which the fields of its trigger are
_MARKS = (
    ("http", b'"rawPath"', b'"headers"'),
    ("timer", b'"triggerTime"', b'"triggerName"'),
    ("datasource", b'"acs:oss"', b'"eventName"'),
    ("datasource", b'"logstoreName"', b'"cursorTime"'),
    ("pubsub", b'"TopicName"', b'"MessageId"'),
    ("pubsub", b'"acs:mns"', b'"data"'),
    ("pubsub", b'"acs:mq"', b'"data"'),
    ("pubsub", b'"acs:alikafka"', b'"data"'),
)


class PhaseSpan:
    """The span of a phase, current from ``__init__`` to ``end``, both on one thread."""

    def __init__(
        self, telemetry: Telemetry, phase: str, context: Context, event: bytes = b""
    ) -> None:
        self._telemetry = telemetry
        self._phase = phase
        self._context = context
        self._error_type = ""
        telemetry.learn(context)
        name = context.function.name
        attributes = {"faas.name": name}
        if context.entry and context.entry != name:
            attributes["fcplug.function"] = context.entry
        shown = context.entry or name
        if phase == "invoke":
            attributes["faas.trigger"] = trigger_of(event)
        self._facts = {**attributes, REQUEST_ID: context.request_id}
        around = trace_context.set_value(REQUEST_ID, context.request_id, parent_of(context))
        self._span = telemetry.tracer.start_span(
            shown if phase == "invoke" else f"{shown} {phase}",
            around,
            SpanKind.SERVER if phase == "invoke" else SpanKind.INTERNAL,
            {**self._facts, **_details(context, name)},
        )
        self._around = trace.set_span_in_context(self._span, around)
        self._started = time.perf_counter()
        self._lock = threading.Lock()
        self._ended = False
        self._watched = phase == "invoke" and context.deadline is not None
        if self._watched and context.deadline is not None:
            telemetry.delivery.watch(context.deadline, self.time_out)
        self._token = trace_context.attach(self._around)

    def mark_cold_start(self, *, cold: bool) -> None:
        """Say whether this is the first invocation of the function in this process."""
        self._span.set_attribute("faas.coldstart", cold)

    def fail(self, error: BaseException) -> None:
        """Note the error that ends the phase, with the frames of its author."""
        self._error_type = kind = error_type_of(error)
        mask = self._telemetry.mask
        message = mask.text(message_of(error))
        self._span.set_attribute("error.type", kind)
        self._span.add_event(
            "exception",
            {
                "exception.type": kind,
                "exception.message": message,
                "exception.stacktrace": mask.text(format_error(error)),
            },
        )
        self._span.set_status(StatusCode.ERROR, message)

    def time_out(self) -> None:
        """End the span at the deadline, on another thread: its handler may never return."""
        self._error_type = _TIMEOUT
        self._span.set_attribute("error.type", _TIMEOUT)
        self._span.set_status(StatusCode.ERROR, "the function's time was up")
        self._end(timed_out=True)

    def end(self) -> None:
        """End the span, record the metrics, and export them."""
        trace_context.detach(self._token)
        if self._watched:
            self._telemetry.delivery.unwatch(self.time_out)
        self._end(timed_out=False)
        self._telemetry.export(self._phase, self._context)

    def _end(self, *, timed_out: bool) -> None:
        with self._lock:
            before, self._ended = self._ended, True
        if before:
            return
        seconds = time.perf_counter() - self._started
        self._span.end()
        instruments = self._telemetry.instruments
        if self._error_type and self._phase == "invoke":
            facts = {**self._facts, "error.type": self._error_type}
            instruments.failed(seconds, facts, self._around, timed_out=timed_out)
        elif self._phase == "invoke":
            instruments.invoked(seconds, self._facts, self._around)
        elif self._phase == "initialize" and not self._error_type:
            instruments.initialized(seconds, self._facts, self._around)


def trigger_of(event: bytes) -> str:
    """Return what OpenTelemetry calls the trigger of an event, by its first fields."""
    start = event[:_START] if isinstance(event, bytes) else b""
    if start[:1] in (b"{", b"["):
        for trigger, *marks in _MARKS:
            if all(mark in start for mark in marks):
                return trigger
    return "other"


def _details(context: Context, name: str) -> dict[str, str]:
    details = {
        "faas.version": context.version_id or context.qualifier,
        "cloud.resource_id": resource_id(context, name),
    }
    return {key: value for key, value in details.items() if value}
