"""Log records as lines, and loggers that user code cannot disable."""

import json
import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fcplug import protocol
from fcplug.context import Context, current
from fcplug.identity import Credentials
from fcplug.logs.output import Output
from fcplug.result import format_error, redacted

_NO_KEYS = Credentials()
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "fc_context", "taskName"}


class RecordFormatter(logging.Formatter):
    """What text and JSON share: the call's context, and a message without its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, without the values of the call's keys."""
        context = getattr(record, "fc_context", None) or current.get()
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}\n{format_error(record.exc_info[1])}"
        if record.stack_info:
            message = f"{message}\n{record.stack_info}"
        message = redacted(message, context.credentials if context else _NO_KEYS)
        return self.render(record, message, context)

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        """Return the record in the formatter's own style."""
        raise NotImplementedError


class TextFormatter(RecordFormatter):
    """``2026-01-31T23:59:59.123Z <request id> [LEVEL] message``, the line FC's pages ask for."""

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        """Return the record as one line, or several if the message has several."""
        request_id = context.request_id if context else "-"
        line = f"{_utc(record)} {request_id} [{record.levelname}] {message}"
        return _cut(line, protocol.MAX_LOG_RECORD)


class JsonFormatter(RecordFormatter):
    """One JSON object a line: time, level, logger, requestId, message, and the record's extras."""

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        """Return the record as one line of valid JSON."""
        keys = context.credentials if context else _NO_KEYS
        fields: dict[str, Any] = {
            "time": _utc(record),
            "level": record.levelname,
            "logger": record.name,
            "requestId": context.request_id if context else None,
            "message": message,
        }
        extras = {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD and name not in fields
        }
        line = _json({**fields, **extras}, keys)
        if len(line) > protocol.MAX_LOG_RECORD:
            fields["cut"] = f"{len(line)} bytes in all"
        limit = protocol.MAX_LOG_RECORD
        while len(line) > protocol.MAX_LOG_RECORD and limit:
            line = _json({**fields, "message": _cut(message, limit)}, keys)
            limit //= 2  # escaped, characters take more bytes than in the message
        return line


class RecordHandler(logging.Handler):
    """Writes each record to an output by one write.

    It has no lock: a thread that waits for the reader of the log must not block threads that do
    not wait.
    """

    def __init__(self, output: Output, formatter: RecordFormatter) -> None:
        super().__init__()
        self.output = output
        self.setFormatter(formatter)

    def createLock(self) -> None:  # noqa: N802 - logging's spelling
        """Create no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record that passes the filters."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self.write(record, waits=True)
        except Exception:
            self.handleError(record)

    def write(self, record: logging.LogRecord, *, waits: bool) -> None:
        """Write a record; raise the errors of its formatting."""
        line = f"{self.format(record)}\n"
        self.output.write(line.encode("utf-8", "backslashreplace"), waits=waits)


class RuntimeLogger(logging.Logger):
    """A logger of the runtime, which writes to the log however user code configures logging.

    ``dictConfig`` disables loggers that it does not name, ``logging.disable`` disables all. A
    record of a call waits for the reader of the log. Others do not, because their threads serve
    all calls.
    """

    output_handler: RecordHandler
    min_level: int

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's spelling
        """Return whether a level is written."""
        return level >= self.min_level

    def makeRecord(self, *facts: Any) -> logging.LogRecord:  # noqa: N802
        """Create a record without a factory of user code; ``facts`` are logging's arguments."""
        *before, extra, stack = facts
        record = logging.LogRecord(*[*before, stack])
        vars(record).update(extra or {})
        return record

    def handle(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.output_handler.write(record, waits=current.get() is not None)


def only_receiver(logger: logging.Logger) -> RecordHandler | None:
    """Return the runtime's handler if it gets all records of a logger, and no other handler does.

    None also where user code has set a filter or a level that decides about the records.
    """
    if logger.disabled or logger.filters:
        return None
    found = None
    at: logging.Logger | None = logger
    while at is not None:
        for handler in at.handlers:
            if found or type(handler) is not RecordHandler or handler.level or handler.filters:
                return None
            found = handler
        at = at.parent if at.propagate else None
    return found


def _utc(record: logging.LogRecord) -> str:
    return f"{utc_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=2)
def utc_second(second: int) -> str:
    """Return a second since 1970 in UTC, without a zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _json(fields: Mapping[str, Any], keys: Credentials) -> str:
    try:
        text = json.dumps(fields, default=repr, allow_nan=False)
    except Exception:  # write the other fields even if one is not JSON
        text = json.dumps({name: _jsonable(value) for name, value in fields.items()})
    return str(redacted(text, keys))


def _jsonable(value: Any) -> Any:
    """Return the value as JSON has it, or its text if it is not JSON."""
    try:
        return json.loads(json.dumps(value, default=repr, allow_nan=False))
    except Exception:
        return _text_of(value)


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text cannot be read: {type(error).__name__}>"


def _cut(text: str, limit: int) -> str:
    """Cut the text to ``limit`` bytes, the maximum of one entry of the log service."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return text
    note = f" ... cut, {len(data)} bytes in all"
    return data[: max(0, limit - len(note))].decode(errors="ignore") + note
