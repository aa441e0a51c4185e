"""Log records of functions, on their way to OpenTelemetry."""

from __future__ import annotations

import logging
import threading

from opentelemetry import context as trace_context
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider

from fcplug.result import format_error, message_of
from fcplug_otel import delivery

REQUEST_ID = "faas.invocation_id"
_LONGEST = 32 * 1024  # characters of a body: the maximum of one entry of FC's log service
_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.DEBUG, SeverityNumber.DEBUG),
)


class RecordHandler(logging.Handler):
    """A handler of the root logger; it exports each record with the id of its invocation.

    The SDK's own handler would send all frames of an exception, those of the runtime too.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider
        self._loggers: dict[str, Logger] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record on its way, unless the exporting thread itself has logged it."""
        if threading.current_thread().name == delivery.NAME:
            return
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        attributes: dict[str, str | int] = {
            "code.file.path": record.pathname,
            "code.function.name": record.funcName or "",
            "code.line.number": record.lineno,
        }
        if request_id := _request_id(record):
            attributes[REQUEST_ID] = request_id
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            attributes["exception.type"] = type(error).__qualname__
            attributes["exception.message"] = message_of(error)
            attributes["exception.stacktrace"] = format_error(error)
        logger = self._loggers.get(record.name)
        if logger is None:
            logger = self._loggers[record.name] = self._provider.get_logger(record.name)
        logger.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=_severity(record.levelno),
                body=record.getMessage()[:_LONGEST],
                attributes=attributes,
            )
        )


def _request_id(record: logging.LogRecord) -> str:
    """Return the id of the invocation: of ``context.logger`` on any thread, else of this thread."""
    own = getattr(record, "fc_context", None)
    return str(own.request_id if own else trace_context.get_value(REQUEST_ID) or "")


def _severity(level: int) -> SeverityNumber:
    found = (severity for least, severity in _SEVERITIES if level >= least)
    return next(found, SeverityNumber.TRACE)
