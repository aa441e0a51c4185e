"""Keeps credentials out of everything that is exported."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from fcplug.result import masked

MASK = "***"
_SHORTEST = 4  # characters: anything shorter is in every text by chance
_MOST = 64  # secrets that are kept in mind, the latest; FC renews credentials every few hours
_SECRET_KEY = re.compile(
    r"authorization|cookie|passw|secret|(api|access)[-_.]?key|(access|auth|id|refresh|security|session)"
    r"[-_.]?token(?!s)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"\b(?:[Bb]earer|[Bb]asic|BEARER|BASIC)\s+[\w.~+/=-]{8,}")


class Mask:
    """Replaces secrets in texts: those of the latest calls, and what looks like a login."""

    def __init__(self) -> None:
        self._latest: dict[str, None] = {}
        self._longest_first: tuple[str, ...] = ()  # a secret may be a part of another
        self._last: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def learn(self, *secrets: str) -> None:
        """Mask these values from now on."""
        if secrets == self._last:
            return
        self._last = secrets
        with self._lock:
            for secret in secrets:
                if len(secret) >= _SHORTEST:
                    self._latest.pop(secret, None)
                    self._latest[secret] = None
            for forgotten in list(self._latest)[:-_MOST]:
                del self._latest[forgotten]
            self._longest_first = tuple(sorted(self._latest, key=len, reverse=True))

    def after_fork(self) -> None:
        """Replace the lock, which another thread may have held."""
        self._lock = threading.Lock()

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return _LOGIN.sub(MASK, masked(text, self._longest_first))

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
        texts = [span.name, span.status.description or "", *_texts(span.attributes)]
        for event in span.events:
            texts += [event.name, *_texts(event.attributes)]
        for link in span.links:
            texts += _texts(link.attributes)
        return span if self._clean(texts) else self._masked(span)

    def _masked(self, span: ReadableSpan) -> ReadableSpan:
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
        body = record.log_record.body
        if isinstance(body, str) and self._clean([body, *_texts(record.log_record.attributes)]):
            return record
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

    def _clean(self, texts: list[str]) -> bool:
        """Return whether nothing in these texts, keys included, needs a closer look."""
        whole = "\n".join(texts)
        return not (
            _holds_any(whole, self._longest_first)
            or ("%" in whole and _holds_any(unquote(whole), self._longest_first))
            or _LOGIN.search(whole)
            or _SECRET_KEY.search(whole)
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


def _holds_any(text: str, secrets: Sequence[str]) -> bool:
    for secret in secrets:  # noqa: SIM110 - the generator of any() costs a call for each
        if secret in text:
            return True
    return False


def _texts(attributes: Mapping[str, Any] | None) -> list[str]:
    """Return the keys of attributes, and the texts of their values."""
    texts: list[str] = []
    for key, value in (attributes or {}).items():
        texts.append(key)
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, bytes):
            texts.append(value.decode("latin-1"))
        elif isinstance(value, Mapping):
            texts += _texts(value)
        elif isinstance(value, Sequence):
            texts += [item if isinstance(item, str) else str(item) for item in value]
    return texts


def _same(one: object, other: object) -> bool:
    return one is other
