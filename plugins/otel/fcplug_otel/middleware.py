"""The middleware: a span for each phase of the function that it wraps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from fcplug import Context, hookimpl
from fcplug_otel.phase import PhaseSpan
from fcplug_otel.settings import Options, Settings, checked
from fcplug_otel.telemetry import Telemetry, shared

log = logging.getLogger("fcplug.otel")

Wrapper = Generator[None, Any, Any]


@dataclass(kw_only=True)
class Otel(Options):
    """A middleware that records the phases of a function; it changes no result and no error.

    Raises:
        ValueError: a value is not allowed.
    """

    def __post_init__(self) -> None:
        self._settings: Settings = checked(self)
        self._telemetry: Telemetry | None = None
        self._cold = True
        self._once = threading.Lock()
        self._complained = False

    @hookimpl(wrapper=True)
    def initialize(self, context: Context) -> Wrapper:
        """Make the telemetry, shared with other functions, and record the initialize hooks."""
        self._acquire(context)
        try:
            with _Recording(self, "initialize", context):
                return (yield)
        except BaseException:
            self._release()
            raise

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes, context: Context) -> Wrapper:
        """Record an invocation, and export it before the answer leaves."""
        with _Recording(self, "invoke", context, event):
            return (yield)

    @hookimpl(wrapper=True)
    def pre_freeze(self, context: Context) -> Wrapper:
        """Record the hook, and export all that is left before the freeze."""
        with _Recording(self, "pre_freeze", context):
            return (yield)

    @hookimpl(wrapper=True)
    def pre_stop(self, context: Context) -> Wrapper:
        """Record the hook, export all that is left, and shut down after the last function."""
        try:
            with _Recording(self, "pre_stop", context):
                return (yield)
        finally:
            self._release()

    def begin(self, phase: str, context: Context, event: bytes) -> PhaseSpan | None:
        """Begin the span of a phase; None where nothing is recorded."""
        if self._telemetry is None:
            return None
        try:
            span = PhaseSpan(self._telemetry, phase, context, event)
            if phase == "invoke":
                cold, self._cold = self._cold, False
                span.mark_cold_start(cold=cold)
            return span
        except Exception as error:
            self._complain(error)
            return None

    def safely(self, action: Callable[..., None], *given: Any) -> None:
        """Call something that must not fail the invocation, whatever it raises."""
        try:
            action(*given)
        except Exception as error:
            self._complain(error)

    def _acquire(self, context: Context) -> None:
        with self._once:
            if self._telemetry is None and self._settings.signals:
                try:
                    self._telemetry = shared.acquire(self._settings, context)
                except Exception as error:
                    self._complain(error)

    def _release(self) -> None:
        with self._once:
            telemetry, self._telemetry = self._telemetry, None
        if telemetry:
            self.safely(shared.release, telemetry)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("nothing is recorded of some phases of the function", exc_info=error)


class _Recording:
    """Records what runs inside; not a generator, whose frame would be in the author's traceback."""

    def __init__(self, otel: Otel, phase: str, context: Context, event: bytes = b"") -> None:
        self._otel = otel
        self._given = phase, context, event

    def __enter__(self) -> None:
        self._span = self._otel.begin(*self._given)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._span is None:
            return
        if error is not None:
            self._otel.safely(self._span.fail, error)
        self._otel.safely(self._span.end)
