"""Log one structured line for each invocation: who, how long, how much, and how it ended."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass

from fcplug import Context, hookimpl

LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
}

_logger = logging.getLogger("fcplug.audit")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A middleware that logs invocations; never their payloads, error texts or credentials.

    Attributes:
        level: of the lines, a name in ``LEVELS``.

    Raises:
        ValueError: there is no such level.
    """

    level: str = "INFO"

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level: {self.level!r} is not allowed: use {', '.join(LEVELS)}")

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes, context: Context) -> Generator[None, object, object]:
        """Pass the result, or the exception, on as it is, and log the invocation."""
        result: object = None
        outcome = "ok"
        started = time.perf_counter()
        try:
            result = yield
            return result
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            self._log(
                {
                    "function": context.function.name,
                    "request_id": context.request_id,
                    "outcome": outcome,
                    "duration_ms": round(milliseconds, 3),
                    "event_bytes": len(event),
                    "result_bytes": size_as_sent(result),
                }
            )

    def _log(self, line: dict[str, str | float | None]) -> None:
        # Whatever handlers and filters are installed, the invocation is not theirs to fail.
        try:
            _logger.log(LEVELS[self.level], json.dumps(line))
        except Exception as error:
            with suppress(Exception):
                lost = f"fcplug.audit: {line['request_id']} not logged: {type(error).__name__}"
                sys.stderr.write(f"{lost}\n")


def size_as_sent(result: object) -> int | None:
    """Return the bytes that the result is sent as, None when that is not known here.

    Anything but ``bytes`` and ``str`` becomes JSON only after the last middleware, and a failed
    invocation has no result.
    """
    if isinstance(result, str):
        # A lone surrogate cannot be sent at all: that is for the runtime to report.
        return len(result.encode(errors="surrogatepass"))
    return len(result) if isinstance(result, bytes) else None
