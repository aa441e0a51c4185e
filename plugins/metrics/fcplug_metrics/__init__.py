"""Counts and times the calls of all functions, for Prometheus."""

from fcplug_metrics.observer import Metrics

__all__ = ["Metrics"]
