"""The providers of OpenTelemetry that the functions of a process share, and who owns them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from fcplug import Context
from fcplug_otel.delivery import NAME, Delivery
from fcplug_otel.exports import Exports
from fcplug_otel.instruments import KEPT_ATTRIBUTES, Instruments
from fcplug_otel.masking import Mask
from fcplug_otel.processors import RecordQueue, SpanQueue
from fcplug_otel.records import RecordHandler
from fcplug_otel.resource import resource_of
from fcplug_otel.settings import Settings, seconds_of

_LONGEST_CLOSE = 3.0  # seconds: the runtime gives all pre_stop hooks together 5
_EXPORTERS = ("trace_exporter", "metric_exporter", "_log_exporter")
_SCOPE = "fcplug_otel"


class Telemetry:
    """The providers for one set of settings, and what exports what they record.

    They stay as long as the process, since code keeps the tracers that it got; the thread and the
    connections are there while some function owns them.

    Attributes:
        tracer: for the spans of the phases.
        instruments: for the metrics of the phases.
        mask: knows the secrets of the calls.
        settings: what it was made of.
    """

    def __init__(self, settings: Settings, context: Context, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.mask = Mask()
        self.mask.learn(*(value for _, value in settings.headers))
        self._environ = environ
        self._owners = 0
        resource = resource_of(context, environ, settings.service_name)
        exports = Exports(settings, environ, self.mask)
        self._channels = {signal: exports.channel(signal) for signal in settings.signals}
        self.delivery = Delivery(list(self._channels.values()), self._interval)
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(SpanQueue(self._put_span, self._flush))
        readers = [exports.reader] if "metrics" in self._channels else []
        self._meters = MeterProvider(
            readers, resource, shutdown_on_exit=False,
            views=[View(instrument_name="faas.*", attribute_keys=KEPT_ATTRIBUTES)],
        )  # fmt: skip
        self._loggers = LoggerProvider(resource, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(RecordQueue(self._put_record, self._flush))
        self.handler = RecordHandler(self._loggers)
        self.tracer = self._tracers.get_tracer(_SCOPE)
        self.instruments = Instruments(self._meters.get_meter(_SCOPE))

    def learn(self, context: Context) -> None:
        """Let the mask know the secrets of a call."""
        keys = context.credentials
        self.mask.learn(
            keys.access_key_id,
            keys.access_key_secret,
            keys.security_token,
            *context.header("authorization").split()[-1:],
        )

    def become_global(self) -> None:
        """Let the code of functions reach these providers by OpenTelemetry's API.

        A process has one of each; those that somebody has set before, stay.
        """
        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            trace.set_tracer_provider(self._tracers)
        if not isinstance(metrics.get_meter_provider(), MeterProvider):
            metrics.set_meter_provider(self._meters)
        if not isinstance(_logs.get_logger_provider(), LoggerProvider):
            _logs.set_logger_provider(self._loggers)

    def own(self) -> None:
        """Count one more owner."""
        self._owners += 1
        if self._owners == 1 and "logs" in self._channels:
            logging.getLogger().addHandler(self.handler)

    def disown(self) -> bool:
        """Count one owner less; return whether it was the last."""
        self._owners -= 1
        if not self._owners:
            logging.getLogger().removeHandler(self.handler)
        return not self._owners

    def close(self) -> None:
        """Export what is left, and end the thread; a later owner begins again."""
        before, self.delivery = self.delivery, Delivery(self.delivery.channels, self._interval)
        before.close(min(self.settings.export_timeout, _LONGEST_CLOSE))

    def export(self, phase: str, context: Context) -> None:
        """Export what a phase recorded, before its answer leaves if the settings say so."""
        if self.settings.waits(self._environ, phase):
            self.delivery.flush(min(self.settings.export_timeout, context.remaining_time()))
        else:
            self.delivery.run_beside()

    def _put_span(self, span: ReadableSpan) -> None:
        # masked now: later the mask may have forgotten the secrets of this call
        if channel := self._channels.get("traces"):
            channel.put(self.mask.span(span))

    def _put_record(self, record: ReadableLogRecord) -> None:
        if channel := self._channels.get("logs"):
            channel.put(self.mask.log(record))

    def after_fork(self) -> None:
        """Begin again in a child of this process; the metrics are its parent's to export."""
        self.mask.after_fork()
        self._channels.pop("metrics", None)
        self.delivery.channels = list(self._channels.values())
        self.delivery.after_fork()

    @property
    def _interval(self) -> float | None:
        if self.settings.waits(self._environ, "invoke"):
            return None
        return seconds_of(self._environ.get("OTEL_BSP_SCHEDULE_DELAY"), 5.0)

    def _flush(self, seconds: float) -> bool:
        return self.delivery.flush(seconds)


class SharedTelemetry:
    """The telemetry of this process: one for each set of settings, however many functions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Settings, Telemetry] = {}
        os.register_at_fork(after_in_child=self._after_fork)

    def acquire(self, settings: Settings, context: Context) -> Telemetry:
        """Return the telemetry for these settings, with one more owner."""
        with self._lock:
            telemetry = self._made.get(settings)
            if telemetry is None:
                telemetry = Telemetry(settings, context, os.environ)
                if not self._made:
                    telemetry.become_global()
                self._made[settings] = telemetry
            self._silence_exporters()
            telemetry.own()
            return telemetry

    def release(self, telemetry: Telemetry) -> None:
        """Remove an owner; the last one shuts the telemetry down."""
        with self._lock:
            last = telemetry.disown()
        if last:
            telemetry.close()

    def _silence_exporters(self) -> None:
        """Keep the exporters from logging each failure: a channel says it once, and when it ends.

        Only what they log on this plugin's own thread is left out.
        """
        for module in _EXPORTERS:
            name = f"opentelemetry.exporter.otlp.proto.http.{module}"
            logging.getLogger(name).addFilter(_not_ours)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        for telemetry in self._made.values():
            telemetry.after_fork()


def _not_ours(_: logging.LogRecord) -> bool:
    return threading.current_thread().name != NAME


shared = SharedTelemetry()
"""The telemetry of this process; the API of OpenTelemetry has one of each provider, too."""
