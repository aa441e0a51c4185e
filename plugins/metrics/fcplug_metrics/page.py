"""The page that Prometheus reads."""

# mypy: disable-error-code="no-untyped-call"
# prometheus_client types a part of itself only

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from fcplug_metrics.folder import MetricsFolder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def page_of_process(own: CollectorRegistry) -> WSGIApplication:
    """Return the page of one process: our metrics, and those of prometheus_client's registry."""
    both = CollectorRegistry(auto_describe=False)
    both.register(_Both(own, REGISTRY))
    application: WSGIApplication = make_wsgi_app(both)
    return application


def page_of_folder(folder: MetricsFolder) -> WSGIApplication:
    """Return the page of all processes that count in a folder."""

    def page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(folder.path))
        application: WSGIApplication = make_wsgi_app(registry)
        with folder.merged():
            return application(environ, start_response)

    return page


class _Both(Collector):
    """The metrics of several registries."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        for registry in self._registries:
            yield from registry.collect()
