"""What a call answered, and what it logged."""

import json
from dataclasses import dataclass
from typing import Any
from wsgiref.headers import Headers

_SHOWN = 200  # bytes of a body that its ``repr`` shows


@dataclass(frozen=True, repr=False)
class _Answered:
    body: bytes
    error: BaseException | None
    log: list[str]
    duration: float

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body as a JSON value.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)

    def __repr__(self) -> str:
        body = repr(self.body[:_SHOWN])
        if len(self.body) > _SHOWN:
            body += f"... ({len(self.body)} bytes)"
        return f"<{type(self).__name__} {self._summary(body)}>"

    def _summary(self, body: str) -> str:
        return f"{body}, error {self.error!r}" if self.error is not None else body


class Answer(_Answered):
    """What an event or a hook answered.

    Attributes:
        body: the answer's bytes; of a failed call, the error document.
        error: what the function raised, or the runtime in its place; None if the call succeeded.
        log: the lines that the call wrote, the start and end lines included.
        duration: seconds.
    """

    @property
    def error_document(self) -> dict[str, Any] | None:
        """What the caller of a failed call gets: its ``errorMessage``, ``errorType`` and more."""
        if self.error is None:
            return None
        document: dict[str, Any] = self.json()
        return document


@dataclass(frozen=True, repr=False)
class WebAnswer(_Answered):
    """What a web request answered.

    Attributes:
        status: the code, such as 200.
        reason: the words after it.
        headers: the fields, by names in any case; ``get_all`` returns each of a repeated one.
        body: the bytes, up to where the application failed if it did.
        error: what cut the body short; None if it is complete. An application that fails before
            its first byte is answered with a status of 500 and an error document as body.
        log: the lines that the request wrote, the start and end lines included.
        duration: seconds, to the body's end.
    """

    status: int
    reason: str
    headers: Headers

    def _summary(self, body: str) -> str:
        return f"{self.status} {self.reason}, {super()._summary(body)}"
