"""The channels of the signals, each with the official exporter of OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from fcplug_otel.channel import Channel, Pace
from fcplug_otel.masking import Mask
from fcplug_otel.processors import Reader
from fcplug_otel.session import CollectorSession
from fcplug_otel.settings import Settings, seconds_of

_CAPACITY = 2048  # items of a signal that wait at most, as in OpenTelemetry's own processors
_EVERY = 60.0  # seconds between exports of metrics, as in OpenTelemetry's own reader

Export = Callable[[Sequence[Any]], bool]


class Exports:
    """Makes the channels for one set of settings; metrics pass the mask here, and others before.

    Attributes:
        reader: collects the metrics.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], mask: Mask) -> None:
        self._settings = settings
        self._environ = environ
        self._mask = mask
        self.reader = Reader(OTLPMetricExporter(**self._options("metrics", None)))

    def channel(self, signal: str) -> Channel[Any]:
        """Return the channel of a signal."""
        in_time = self._settings.export_timeout
        if signal == "metrics":
            every = seconds_of(self._environ.get("OTEL_METRIC_EXPORT_INTERVAL"), _EVERY)
            channel: Channel[Any] = Channel(
                signal, self._metrics, capacity=1, pace=Pace(in_time, every)
            )
            channel.collect = lambda: self._collect(channel)
            return channel
        make = self._spans if signal == "traces" else self._logs
        return Channel(signal, make, capacity=_CAPACITY, pace=Pace(in_time))

    def _options(self, signal: str, session: CollectorSession | None) -> dict[str, Any]:
        return {
            "endpoint": self._settings.url(signal),
            "headers": dict(self._settings.headers) or None,
            "timeout": self._settings.attempt_timeout(self._environ),
            "session": session,
        }

    def _spans(self, session: CollectorSession) -> Export:
        exporter = OTLPSpanExporter(**self._options("traces", session))

        def export(batch: Sequence[ReadableSpan]) -> bool:
            return exporter.export(batch) is SpanExportResult.SUCCESS

        return export

    def _logs(self, session: CollectorSession) -> Export:
        exporter = OTLPLogExporter(**self._options("logs", session))

        def export(batch: Sequence[ReadableLogRecord]) -> bool:
            return exporter.export(batch) is LogRecordExportResult.SUCCESS

        return export

    def _metrics(self, session: CollectorSession) -> Export:
        exporter = OTLPMetricExporter(**self._options("metrics", session))

        def export(batch: Sequence[MetricsData]) -> bool:
            masked = [self._mask.metrics(data) for data in batch]
            return all(exporter.export(data) is MetricExportResult.SUCCESS for data in masked)

        return export

    def _collect(self, channel: Channel[Any]) -> None:
        self.reader.collect()
        if (data := self.reader.take()) is not None:
            channel.put(data)
