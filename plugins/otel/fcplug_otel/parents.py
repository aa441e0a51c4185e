"""The trace that a call belongs to, as its headers name it."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote

from opentelemetry import baggage, propagate, trace
from opentelemetry import context as trace_context
from opentelemetry.context import Context as TraceContext
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from fcplug import Context
from fcplug_otel.records import REQUEST_ID

_JAEGER = re.compile(
    r"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):[0-9a-fA-F]{0,16}:([0-9a-fA-F]{1,2})"
)


class _Headers(Getter[Context]):
    """Reads the headers of a call for the propagators of OpenTelemetry."""

    def get(self, carrier: Context, key: str) -> list[str] | None:
        value = carrier.header(key.lower())
        return [value] if value else None

    def keys(self, carrier: Context) -> list[str]:  # noqa: ARG002
        return []  # no propagator that reads by name asks


def parent_of(context: Context) -> TraceContext:
    """Return the parent of a call's span: from ``traceparent``, else from FC's own headers.

    Where the observer has begun a span for this call, that is the parent.
    ``OTEL_PROPAGATORS`` names other headers than ``traceparent`` and ``baggage``. Without a trace
    in either, the span is the first of a new one.
    """
    here = trace_context.get_current()
    if here.get(REQUEST_ID) == context.request_id:
        return here
    around = propagate.extract(context, TraceContext(), getter=_Headers())
    if trace.get_current_span(around).get_span_context().is_valid:
        return around
    tracing = context.tracing
    if tracing.span_context and (found := jaeger_context(tracing.span_context)):
        around = trace.set_span_in_context(NonRecordingSpan(found), around)
        for name, value in tracing.span_baggages.items():
            around = baggage.set_baggage(str(name), value, around)
    return around


def jaeger_context(text: str) -> SpanContext | None:
    """Return the span that a Jaeger header names, None where it names none.

    ``trace:span:parent:flags`` in hexadecimal, perhaps quoted as in a URL, or in base64.
    """
    found = _JAEGER.fullmatch(unquote(text.strip()))
    if found is None:
        try:
            decoded = base64.b64decode(text, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            return None
        found = _JAEGER.fullmatch(decoded.strip())
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return span if span.is_valid else None
