"""The access line: one log record about each web request."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fcplug.context import Context
from fcplug.logs.records import only_receiver
from fcplug.web.environ import raw_path

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("fcplug.access")

_MOST = 500  # characters of a path
_SAFE = "/%:@!$&'()*+,;=~"  # what a path may hold as it is


class AccessLine:
    """The access line of one request, without query or credentials.

    Attributes:
        status: the client's status line, or only its number.
        size: bytes of the body so far.
    """

    __slots__ = ("_context", "_environ", "size", "status")

    def __init__(self, environ: "WSGIEnvironment", context: Context) -> None:
        self._environ = environ
        self._context = context
        self.status = ""
        self.size = 0

    def write(self) -> None:
        """Log the line: ``GET /path 200 12.3 ms 512 bytes``."""
        method, path = self._environ["REQUEST_METHOD"], _path(self._environ)
        status, took = int(self.status[:3] or 0), round(self._context.age * 1000, 1)
        text = f"{method} {path} {status} {took} ms {self.size} bytes"
        parts = {"method": method, "path": path, "status": status, "ms": took, "bytes": self.size}
        if receiver := only_receiver(log):
            receiver.emit(_ShortRecord(text, parts))
            return
        # Logger.info would walk the stack to find its caller, a sixth of the cost
        record = logging.LogRecord(log.name, logging.INFO, __file__, 0, text, None, None)
        vars(record).update(parts)
        log.handle(record)


class _ShortRecord(logging.LogRecord):
    """An access line without the thread, process and file, which the runtime's log does not have.

    To find them out takes longer than to write the line.
    """

    name, levelno, levelname = log.name, logging.INFO, logging.getLevelName(logging.INFO)
    args = exc_info = stack_info = None

    def __init__(self, text: str, parts: Mapping[str, Any]) -> None:
        now = time.time()
        vars(self).update(parts, msg=text, created=now, msecs=now % 1 * 1000)


def line(environ: "WSGIEnvironment", context: Context) -> AccessLine | None:
    """Return the access line of a request, or None if the log level hides it."""
    return AccessLine(environ, context) if log.isEnabledFor(logging.INFO) else None


def _path(environ: "WSGIEnvironment") -> str:
    """Return the path as it was sent, in printable ASCII."""
    path = raw_path(environ)
    if not (path.isascii() and path.isprintable()):
        path = quote(path.encode("latin-1", "replace"), safe=_SAFE)
    return path if len(path) <= _MOST else f"{path[:_MOST]}..."
