"""What the middleware is set to, by functions.yaml and by the variables of OpenTelemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SIGNALS = ("traces", "metrics", "logs")
EXPORTS = ("auto", "invocation", "pre_freeze", "background")
_INSTANCE = "FC_FUNCTION_NAME"  # set in every instance of FC, and nowhere else


@dataclass(frozen=True)
class Settings:
    """The settings of a function; functions with equal ones share their telemetry.

    Attributes:
        endpoint: the base URL of the collector; empty for that of the environment.
        headers: sent with each export.
        service_name: the resource's; empty for that of the environment.
        export: when an export happens, one of ``EXPORTS``.
        export_timeout: seconds that an invocation waits for its export at most.
        signals: which of ``SIGNALS`` are sent.
    """

    endpoint: str
    headers: tuple[tuple[str, str], ...]
    service_name: str
    export: str
    export_timeout: float
    signals: tuple[str, ...]

    def url(self, signal: str) -> str | None:
        """Return where a signal is sent to, None where the environment says it."""
        return f"{self.endpoint.rstrip('/')}/v1/{signal}" if self.endpoint else None

    def waits(self, environ: Mapping[str, str], phase: str) -> bool:
        """Return whether a phase waits for the export of what it recorded.

        The pre_stop of the last function waits on its own.
        """
        if phase == "pre_stop":
            return False
        if phase == "pre_freeze" or self.export == "invocation":
            return True
        return self.export == "auto" and bool(environ.get(_INSTANCE))

    def attempt_timeout(self, environ: Mapping[str, str]) -> float | None:
        """Return the seconds of one request to the collector, None for OpenTelemetry's own."""
        return self.export_timeout if self.waits(environ, "invoke") else None


def checked(middleware: Any) -> Settings:
    """Return the settings of a middleware whose types are right.

    Raises:
        ValueError: a value is not allowed.
    """
    if middleware.export not in EXPORTS:
        raise ValueError(f"export: {middleware.export!r} is not allowed: use {', '.join(EXPORTS)}")
    if not 0 < middleware.export_timeout <= 60:
        raise ValueError(
            f"export_timeout: {middleware.export_timeout:g} is not allowed: more than 0, at most 60"
        )
    unknown = [signal for signal in middleware.signals if signal not in SIGNALS]
    if unknown or not middleware.signals:
        raise ValueError(f"signals: {unknown} is not allowed: use some of {', '.join(SIGNALS)}")
    if middleware.endpoint:
        parts = urlsplit(middleware.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoint: not an http:// or https:// URL, as http://collector:4318")
    return Settings(
        endpoint=middleware.endpoint,
        headers=tuple(sorted(middleware.headers.items())),
        service_name=middleware.service_name,
        export=middleware.export,
        export_timeout=middleware.export_timeout,
        signals=_not_disabled(middleware.signals),
    )


def _not_disabled(signals: list[str]) -> tuple[str, ...]:
    """Return the signals that the variables of OpenTelemetry do not turn off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    return tuple(
        signal
        for signal in SIGNALS
        if signal in signals
        and os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() != "none"
    )


def seconds_of(milliseconds: str | None, otherwise: float) -> float:
    """Return the value of a variable of OpenTelemetry in seconds; ``otherwise`` if it has none."""
    try:
        return max(0.1, float(milliseconds) / 1000) if milliseconds else otherwise
    except ValueError:
        return otherwise
