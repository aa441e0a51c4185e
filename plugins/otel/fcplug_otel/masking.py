"""Keeps credentials out of everything that is exported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

MASK = "***"
_SHORTEST = 4  # characters: anything shorter is in every text by chance
_MOST = 256  # secrets that are kept in mind; FC renews credentials every few hours
_SECRET_KEY = re.compile(
    r"authorization|cookie|passw|secret|(api|access)[-_.]?key|(access|auth|id|refresh|security|session)"
    r"[-_.]?token(?!s)",
    re.IGNORECASE,
)
_SCHEME = r"\b(?:[Bb]earer|[Bb]asic|BEARER|BASIC)\s+[\w.~+/=-]{8,}"


class Mask:
    """Replaces secrets in texts: those of all calls so far, and what looks like a login."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._last: tuple[str, ...] = ()
        self._pattern = re.compile(_SCHEME)

    def learn(self, *secrets: str) -> None:
        """Mask these values from now on."""
        if secrets == self._last:
            return
        self._last = secrets
        known = dict(self._known)
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                known.pop(secret, None)
                known[secret] = None
        if known.keys() == self._known.keys():
            return
        self._known = dict.fromkeys(list(known)[-_MOST:])
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, longest_first), _SCHEME]))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """Return a value of an attribute or of a body; the same object if nothing is masked."""
        if isinstance(value, str):
            masked = self.text(value)
            return value if masked == value else masked
        if isinstance(value, bytes):
            masked = self.text(value.decode("latin-1"))
            return value if masked.encode("latin-1") == value else masked.encode("latin-1")
        if isinstance(value, Mapping):
            return self.attributes(value)
        if isinstance(value, Sequence):
            items = [self.value(item) for item in value]
            return value if all(map(_same, items, value)) else type(value)(items)  # type: ignore[call-arg]
        return value

    def attributes(self, attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return attributes without secrets; the same object if nothing is masked."""
        changed = {}
        for key, value in (attributes or {}).items():
            masked = self._of_key(key, value)
            if masked is not value:
                changed[key] = masked
        return {**(attributes or {}), **changed} if changed else attributes

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """Return a span without secrets."""
        name, attributes = self.text(span.name), self.attributes(span.attributes)
        description = self.value(span.status.description)
        events = [self._event(event) for event in span.events]
        links = [self._link(link) for link in span.links]
        if (
            name == span.name
            and attributes is span.attributes
            and description is span.status.description
            and all(map(_same, events, span.events))
            and all(map(_same, links, span.links))
        ):
            return span
        return ReadableSpan(
            name=name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=events,
            links=links,
            kind=span.kind,
            status=Status(span.status.status_code, description),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def log(self, record: ReadableLogRecord) -> ReadableLogRecord:
        """Return a log record without secrets; its own object, which nobody else has."""
        record.log_record.body = self.value(record.log_record.body)
        record.log_record.attributes = self.attributes(record.log_record.attributes)
        return record

    def metrics(self, data: MetricsData) -> MetricsData:
        """Return metrics without secrets in attributes, of exemplars too."""
        return replace(
            data,
            resource_metrics=[
                replace(
                    resource,
                    scope_metrics=[
                        replace(scope, metrics=[self._metric(metric) for metric in scope.metrics])
                        for scope in resource.scope_metrics
                    ],
                )
                for resource in data.resource_metrics
            ],
        )

    def _of_key(self, key: str, value: Any) -> Any:
        is_secret = isinstance(value, str | bytes | Sequence) and _SECRET_KEY.search(key)
        return MASK if is_secret and value else self.value(value)

    def _metric(self, metric: Any) -> Any:
        points = [
            replace(
                point,
                attributes=self.attributes(point.attributes),
                exemplars=[
                    replace(
                        exemplar, filtered_attributes=self.attributes(exemplar.filtered_attributes)
                    )
                    for exemplar in point.exemplars or ()
                ],
            )
            for point in metric.data.data_points
        ]
        return replace(metric, data=replace(metric.data, data_points=points))

    def _event(self, event: Event) -> Event:
        name, attributes = self.text(event.name), self.attributes(event.attributes)
        if name == event.name and attributes is event.attributes:
            return event
        return Event(name, attributes, event.timestamp)

    def _link(self, link: Link) -> Link:
        attributes = self.attributes(link.attributes)
        return link if attributes is link.attributes else Link(link.context, attributes)


def _same(one: object, other: object) -> bool:
    return one is other
