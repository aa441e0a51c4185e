"""The observer: its settings, and what it does for each hook."""

# mypy: disable-error-code="no-untyped-call"
# prometheus_client types a part of itself only

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fcplug import hookimpl
from fcplug.observerspecs import Call

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fcplug_metrics.folder import MetricsFolder
    from fcplug_metrics.series import Series

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_INSTANCE = "FC_FUNCTION_NAME"  # set in every instance of FC, and nowhere else
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client keeps counts, once it is set

log = logging.getLogger("fcplug.metrics")


@dataclass(kw_only=True)
class Metrics:
    """An observer that counts and times the calls of all functions, and shows it on a page.

    Attributes:
        path: of the page.
        on_fc: whether there is a page on FC, too, where nothing reads it by itself.
        folder: where several processes keep their counts; made and removed where it is empty.
        buckets: of the histograms, in seconds.

    Raises:
        ValueError: a value is not allowed.
    """

    path: str = "/metrics"
    on_fc: bool = False
    folder: str = ""
    buckets: list[float] = field(default_factory=lambda: list(_BUCKETS))

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ValueError(f"path: {self.path!r} is not allowed: it begins with /")
        rising = self.buckets == sorted(set(self.buckets))
        if not self.buckets or not rising or self.buckets[0] <= 0:
            raise ValueError("buckets: not allowed: numbers above 0, each larger than the last")
        self._series: Series | None = None
        self._folder: MetricsFolder | None = None
        self._page: WSGIApplication | None = None
        self._complained = False

    @hookimpl
    def opened(self, processes: int) -> None:
        """Make the metrics: in memory for one process, in files for several."""
        if os.environ.get(_INSTANCE) and not self.on_fc:
            log.info("no metrics on Function Compute: set on_fc to have them")
            return
        # the import takes a while, and depends on the variable
        named = self.folder or os.environ.get(_FOLDER, "")
        if named or processes > 1:
            self._open_folder(named)
        else:
            self._open_memory()

    @hookimpl
    def pages(self) -> Mapping[str, WSGIApplication]:
        """Return the page."""
        return {self.path: self._page} if self._page is not None else {}

    @hookimpl
    def call_received(self, call: Call) -> None:
        """Count a call that waits."""
        if self._series is not None:
            self._series.received(call)

    @hookimpl
    def call_started(self, call: Call) -> None:
        """Count a call that runs."""
        if self._series is not None:
            self._series.started(call)

    @hookimpl
    def call_ended(self, call: Call) -> None:
        """Count how a call has ended."""
        if self._series is not None:
            self._series.ended(call)

    @hookimpl
    def function_initialized(
        self, function: str, seconds: float, error: BaseException | None
    ) -> None:
        """Count a cold start."""
        if self._series is not None:
            self._series.initialized(function, seconds, failed=error is not None)

    @hookimpl
    def closed(self) -> None:
        """Remove the folder that was made."""
        if self._folder is not None:
            self._folder.remove()

    def _open_memory(self) -> None:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415

        from fcplug_metrics.page import page_of_process  # noqa: PLC0415
        from fcplug_metrics.series import Series  # noqa: PLC0415

        registry = CollectorRegistry()
        self._series = Series(registry, self.buckets)
        self._page = page_of_process(registry)

    def _open_folder(self, named: str) -> None:
        from prometheus_client import values  # noqa: PLC0415

        from fcplug_metrics.folder import MetricsFolder  # noqa: PLC0415
        from fcplug_metrics.page import page_of_folder  # noqa: PLC0415
        from fcplug_metrics.reserved import ReservedDict  # noqa: PLC0415
        from fcplug_metrics.series import Series  # noqa: PLC0415

        self._folder = MetricsFolder.named(named) if named else MetricsFolder.own()
        os.environ[_FOLDER] = str(self._folder.path)
        # prometheus_client has no setting for it
        values.MmapedDict = partial(ReservedDict, on_full=self._complain)  # type: ignore[assignment, attr-defined]
        values.ValueClass = values.get_value_class()  # the module chose when it was imported
        self._series = Series(None, self.buckets)
        self._page = page_of_folder(self._folder)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "the page of metrics is not complete: %s in %s: what process %d counts from now on "
                "for the first time is not on it, until it starts again",
                error.strerror, self._folder.path if self._folder else "", os.getpid(),
            )  # fmt: skip
