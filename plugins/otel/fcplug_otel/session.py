"""The connection to the collector, which remembers how the last request ended."""

from __future__ import annotations

from enum import Enum
from typing import Any

import requests

_TRY_AGAIN = (408, 429)  # of the statuses 4xx; any other means that the data is refused


class Outcome(Enum):
    """How an export ended."""

    SENT = "sent"
    REFUSED = "refused"
    """The collector does not want this data, now or later."""
    FAILED = "failed"


class CollectorSession(requests.Session):
    """A session of requests, which the exporters of OpenTelemetry use.

    Attributes:
        reason: why the last request failed: the status, or the error's own words. It holds no URL
            and no header, as both may have credentials in them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Forget how the last request ended."""
        self._status, self.reason, self._asked = 0, "", False

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Send a request, and remember how it ended."""
        self.begin()
        self._asked = True
        try:
            response = super().request(*arguments, **options)
        except Exception as error:
            self.reason = _words_of(error)
            raise
        self._status = response.status_code
        self.reason = f"status {response.status_code} {response.reason or ''}".strip()
        return response

    def outcome(self, *, succeeded: bool) -> Outcome:
        """Return how an export ended since ``begin``; the exporter says whether it succeeded.

        Without a request the exporter itself could not use the data.
        """
        if succeeded:
            return Outcome.SENT
        if not self._asked or (400 <= self._status < 500 and self._status not in _TRY_AGAIN):
            return Outcome.REFUSED
        return Outcome.FAILED


def _words_of(error: BaseException) -> str:
    """Return what the innermost cause says, if that is the operating system; else its class."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    seen: set[int] = set()
    cause = error
    while (inner := cause.__cause__ or cause.__context__) and id(inner) not in seen:
        seen.add(id(inner))
        cause = inner
    words = cause.strerror if isinstance(cause, OSError) else None
    return words or type(cause).__name__
