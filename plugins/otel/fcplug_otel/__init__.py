"""Traces, metrics and logs of functions by OpenTelemetry, exported before FC freezes them."""

from fcplug_otel.middleware import Otel

__all__ = ["Otel"]
