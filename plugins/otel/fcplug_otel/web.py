"""The observer: a span for each web request, current in the application that answers it."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import context as trace_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from fcplug import hookimpl
from fcplug.observerspecs import Call
from fcplug.result import error_type_of, message_of
from fcplug_otel.parents import parent_of
from fcplug_otel.records import REQUEST_ID
from fcplug_otel.settings import Options, Settings, checked
from fcplug_otel.telemetry import Telemetry, shared

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_OTHER = "_OTHER"  # what OpenTelemetry calls a method that it does not know

log = logging.getLogger("fcplug.otel")


@dataclass(kw_only=True)
class OtelWeb(Options):
    """An observer that records web requests, which no middleware sees.

    Raises:
        ValueError: a value is not allowed.
    """

    def __post_init__(self) -> None:
        self._settings: Settings = checked(self)
        self._telemetry: Telemetry | None = None
        self._once = threading.Lock()
        self._spans: dict[Call, Span] = {}
        os.register_at_fork(after_in_child=self._after_fork)

    @hookimpl
    def call_started(self, call: Call) -> None:
        """Begin the span of a web request, and make it current for the application."""
        if call.environ is None or not self._settings.signals:
            return
        telemetry = self._acquire(call)
        around = trace_context.set_value(
            REQUEST_ID, call.context.request_id, parent_of(call.context)
        )
        self._spans[call] = span = _begin(telemetry, call, call.environ, around)
        # not detached: the context variables are those of this request alone
        trace_context.attach(trace.set_span_in_context(span, around))

    @hookimpl
    def call_ended(self, call: Call) -> None:
        """End the span, and export it before the last bytes leave if the settings say so."""
        if call.environ is None or not self._settings.signals:
            return
        telemetry = self._acquire(call)
        span = self._spans.pop(call, None)
        if span is None:  # it was refused
            span = _begin(telemetry, call, call.environ, parent_of(call.context))
        _note_end(telemetry, call, span)
        span.end()
        telemetry.export("invoke", call.context)

    @hookimpl
    def closed(self) -> None:
        """Export what is left."""
        with self._once:
            telemetry, self._telemetry = self._telemetry, None
        if telemetry is not None:
            shared.release(telemetry)

    def _acquire(self, call: Call) -> Telemetry:
        telemetry = self._telemetry
        if telemetry is None:
            with self._once:
                if self._telemetry is None:
                    self._telemetry = shared.acquire(self._settings, call.context)
                telemetry = self._telemetry
        return telemetry

    def _after_fork(self) -> None:
        self._once = threading.Lock()
        self._spans.clear()


def _begin(
    telemetry: Telemetry, call: Call, environ: WSGIEnvironment, around: trace_context.Context
) -> Span:
    """Begin the span of a request at the moment of its arrival."""
    telemetry.learn(call.context)
    method = environ["REQUEST_METHOD"]
    known = method in _METHODS
    arrived = time.time_ns() - round((time.monotonic() - call.received) * 1e9)
    return telemetry.tracer.start_span(
        method if known else "HTTP",
        around,
        SpanKind.SERVER,
        {**_request(environ, method if known else _OTHER), **_function(call)},
        start_time=arrived,
    )


def _request(environ: WSGIEnvironment, method: str) -> dict[str, str | int]:
    """Return what OpenTelemetry's conventions want of a request; no query, it may be secret."""
    host, _, port = environ.get("HTTP_HOST", "").partition(":")
    facts: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") or "/",
        "url.scheme": environ.get("HTTP_X_FORWARDED_PROTO") or environ["wsgi.url_scheme"],
        "server.address": host,
        "client.address": environ.get("HTTP_X_FC_CLIENT_IP") or environ.get("REMOTE_ADDR", ""),
        "user_agent.original": environ.get("HTTP_USER_AGENT", ""),
        "network.protocol.version": environ.get("SERVER_PROTOCOL", "").partition("/")[2],
    }
    if method == _OTHER:
        facts["http.request.method_original"] = environ["REQUEST_METHOD"]
    if port.isdecimal():
        facts["server.port"] = int(port)
    return {name: value for name, value in facts.items() if value != ""}


def _function(call: Call) -> dict[str, str]:
    context = call.context
    facts = {
        "faas.trigger": "http",
        "faas.name": context.function.name,
        REQUEST_ID: context.request_id,
        "fcplug.function": call.function,
    }
    return {name: value for name, value in facts.items() if value}


def _note_end(telemetry: Telemetry, call: Call, span: Span) -> None:
    if call.status is not None:
        span.set_attribute("http.response.status_code", call.status)
        if call.status >= 500:
            span.set_attribute("error.type", str(call.status))
            span.set_status(StatusCode.ERROR)
    if call.error is not None:
        span.set_attribute("error.type", error_type_of(call.error))
        span.set_status(StatusCode.ERROR, telemetry.mask.text(message_of(call.error)))
