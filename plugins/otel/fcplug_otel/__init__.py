"""Traces, metrics and logs of functions by OpenTelemetry, exported before FC freezes them."""

from fcplug_otel.middleware import Otel
from fcplug_otel.web import OtelWeb

__all__ = ["Otel", "OtelWeb"]
