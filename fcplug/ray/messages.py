"""What the entry and the replicas send each other."""

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A request for one function: a WSGI environ of texts, and the body beside it."""

    function: str
    environ: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """A status line, header fields, and the body, or its first bytes."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Limits(NamedTuple):
    """What of a function an edit changes while its replicas run."""

    timeout: float | None
    concurrency: int | None
    queue: int

    @classmethod
    def of(cls, spec: Any) -> "Limits":
        """Return the limits of a function's entry."""
        return cls(spec.timeout, spec.concurrency, spec.queue)
