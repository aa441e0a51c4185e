"""What the process says: FC's start and end lines, and log records that carry the request id.

Everything goes to standard output, which FC collects, one ``write`` a line, and is out before the
answer is: FC may freeze the instance right after it.
"""

import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Literal

from fcplug import protocol
from fcplug.context import Context, current
from fcplug.identity import Credentials
from fcplug.result import explain, scrubbed

_NO_KEYS = Credentials()
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "fc_context", "taskName"}


class _Unfinished(threading.local):
    """What a thread has written of a line that it has not ended."""

    text = ""


class LineStream(io.TextIOBase):
    """A text stream over a file descriptor that writes whole lines, each at once.

    Lines of several threads never mix: what a thread has not ended yet waits for its end, or for
    ``flush``. A reader that went away costs the text, never the invocation that printed it. Bytes
    written to ``buffer`` are written as they come.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, fd: int) -> None:
        self.buffer = io.FileIO(fd, "w", closefd=False)
        self._fd = fd
        self._lock = threading.Lock()
        self._unfinished = _Unfinished()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor written to."""
        return self._fd

    def isatty(self) -> bool:
        """Tell whether a person may be watching."""
        return os.isatty(self._fd)

    def write(self, text: str) -> int:
        """Write the lines that ``text`` ends, keep the rest for this thread's next write."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            self._emit(self._take() + whole + newline)
        if rest:
            self._unfinished.text = self._take() + rest
        return len(text)

    def flush(self) -> None:
        """Write what this thread has not ended."""
        if text := self._take():
            self._emit(text)

    def say(self, lines: str) -> None:
        """Write whole lines at once; a line that this thread has not ended is ended first."""
        begun = self._take()
        self._emit(f"{begun}\n{lines}" if begun else lines)

    def _take(self) -> str:
        text = self._unfinished.text
        if text:
            self._unfinished.text = ""
        return text

    def _emit(self, text: str) -> None:
        data = text.encode(self.encoding, self.errors)
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                pass  # nobody is left to be told


class _Formatter(logging.Formatter):
    """The parts that text and JSON share: who, the scrubbed message, the size limit."""

    def format(self, record: logging.LogRecord) -> str:
        context = getattr(record, "fc_context", None) or current.get()
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}\n{explain(record.exc_info[1])}"
        if record.stack_info:
            message = f"{message}\n{record.stack_info}"
        message = scrubbed(message, context.credentials if context else _NO_KEYS)
        return self.render(record, message, context)

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        raise NotImplementedError


class TextFormatter(_Formatter):
    """``2026-01-31T23:59:59.123Z <request id> [LEVEL] message``, the line FC's pages ask for."""

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        """Return the record as one line, or several if the message has several."""
        request_id = context.request_id if context else "-"
        line = f"{_utc(record)} {request_id} [{record.levelname}] {message}"
        return _cut(line, protocol.MAX_LOG_RECORD)


class JsonFormatter(_Formatter):
    """One JSON object a line: time, level, logger, requestId, message, and the record's extras."""

    def render(self, record: logging.LogRecord, message: str, context: Context | None) -> str:
        """Return the record as one line, whatever the message holds."""
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
            limit //= 2  # escaped, a character takes more bytes than the message's limit counts
        return line


def configure(style: Literal["text", "json"], level: str) -> None:
    """Send every log record to standard output, and every ``print`` there line by line.

    Calling it again replaces what the first call set up.
    """
    if not isinstance(sys.stdout, LineStream):
        sys.stdout = LineStream(sys.stdout.fileno())
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # one warning a request once more are in flight than threads: no news to anyone
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def say(text: str) -> None:
    """Write lines to standard output at once, after what this thread has printed so far."""
    out = sys.stdout
    if isinstance(out, LineStream):
        out.say(text)
    else:
        out.write(text)
        out.flush()


def phase(which: protocol.Phase, context: Context) -> AbstractContextManager[None]:
    """Frame a phase with its start and end lines, and log the error it ends with."""
    return _Frame(which, context)


class _Frame(AbstractContextManager[None]):
    """A class, and no generator: every invocation has one, and it costs a third."""

    def __init__(self, which: protocol.Phase, context: Context) -> None:
        self._which = which
        self._context = context

    def __enter__(self) -> None:
        self._token = current.set(self._context)
        say(protocol.start_line(self._which, self._context.request_id))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                logging.getLogger("fcplug").error("%s", explain(error))
        finally:
            failed = error is not None
            say(protocol.end_line(self._which, self._context.request_id, failed=failed))
            current.reset(self._token)


def _utc(record: logging.LogRecord) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{moment}.{int(record.msecs):03d}Z"


def _json(fields: Mapping[str, Any], keys: Credentials) -> str:
    return str(scrubbed(json.dumps(fields, default=repr), keys))


def _cut(text: str, limit: int) -> str:
    """Return the text in at most ``limit`` bytes, as one entry of the log service may have."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return text
    note = f" ... cut, {len(data)} bytes in all"
    return data[: max(0, limit - len(note))].decode(errors="ignore") + note
