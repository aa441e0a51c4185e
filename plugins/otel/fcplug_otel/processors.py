"""Where the SDK of OpenTelemetry hands over what it recorded: to queues, never to the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import context as trace_context
from opentelemetry.context import Context as TraceContext
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from fcplug_otel.records import REQUEST_ID


class SpanQueue(SpanProcessor):
    """Marks each span with the id of its invocation, and puts it on its way when it has ended."""

    def __init__(self, put: Callable[[Any], None], flush: Callable[[float], bool]) -> None:
        self._put = put
        self._flush = flush

    def on_start(self, span: Span, parent_context: TraceContext | None = None) -> None:
        """Mark the span with the id of its invocation."""
        request_id = trace_context.get_value(REQUEST_ID, parent_context)
        if request_id is not None:
            span.set_attribute(REQUEST_ID, str(request_id))

    def on_end(self, span: ReadableSpan) -> None:
        """Put a sampled span on its way."""
        if span.context and span.context.trace_flags.sampled:
            self._put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits, within this time."""
        return self._flush(timeout_millis / 1000)


class RecordQueue(LogRecordProcessor):
    """Puts log records on their way."""

    def __init__(self, put: Callable[[Any], None], flush: Callable[[float], bool]) -> None:
        self._put = put
        self._flush = flush

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Put the record on its way."""
        readable = ReadableLogRecord(
            log_record.log_record,
            log_record.resource or Resource.get_empty(),
            log_record.instrumentation_scope,
            log_record.limits,
        )
        self._put(readable)

    def shutdown(self) -> None:
        """Do nothing: the functions that own it shut it down."""
        return

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits, within this time."""
        return self._flush(timeout_millis / 1000)


class Reader(MetricReader):
    """Collects metrics when it is asked to."""

    def __init__(self, exporter: OTLPMetricExporter) -> None:
        # the preferences of the environment, which only the exporter reads
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,
            preferred_aggregation=exporter._preferred_aggregation,
        )
        self._data: MetricsData | None = None

    def take(self) -> MetricsData | None:
        """Return what was collected last, once."""
        data, self._data = self._data, None
        return data

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002
        **_: Any,
    ) -> None:
        self._data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # noqa: ARG002
        """Do nothing: the functions that own it shut it down."""
        return
