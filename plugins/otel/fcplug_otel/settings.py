"""What the middleware is set to, by functions.yaml and by the variables of OpenTelemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SIGNALS = ("traces", "metrics", "logs")
EXPORTS = ("auto", "invocation", "pre_freeze", "background")
_INSTANCE = "FC_FUNCTION_NAME"  # set in every instance of FC, and nowhere else


@dataclass(kw_only=True)
class Options:
    """What functions.yaml may set, of the middleware and of the observer.

    Attributes:
        endpoint: the base URL of the collector, as ``http://collector:4318``.
        headers: sent with each export, as for a token.
        service_name: of the resource; the function's name on FC.
        export: ``invocation`` for before each answer leaves, ``pre_freeze``, ``background``, or
            ``auto``: ``invocation`` on FC, ``background`` elsewhere.
        export_timeout: the seconds that an invocation waits for its export at most.
        signals: what is sent: traces, metrics, logs.
    """

    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    service_name: str = ""
    export: str = "auto"
    export_timeout: float = 0.5
    signals: list[str] = field(default_factory=lambda: list(SIGNALS))


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


def checked(options: Options) -> Settings:
    """Return the settings, whose types are right.

    Raises:
        ValueError: a value is not allowed.
    """
    if options.export not in EXPORTS:
        raise ValueError(f"export: {options.export!r} is not allowed: use {', '.join(EXPORTS)}")
    if not 0 < options.export_timeout <= 60:
        raise ValueError(
            f"export_timeout: {options.export_timeout:g} is not allowed: more than 0, at most 60"
        )
    unknown = [signal for signal in options.signals if signal not in SIGNALS]
    if unknown or not options.signals:
        raise ValueError(f"signals: {unknown} is not allowed: use some of {', '.join(SIGNALS)}")
    if options.endpoint:
        parts = urlsplit(options.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoint: not an http:// or https:// URL, as http://collector:4318")
    return Settings(
        endpoint=options.endpoint,
        headers=tuple(sorted(options.headers.items())),
        service_name=options.service_name,
        export=options.export,
        export_timeout=options.export_timeout,
        signals=_not_disabled(options.signals),
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
