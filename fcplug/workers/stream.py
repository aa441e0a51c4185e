"""The body of a web answer, on its way from a worker to the runtime."""

import time
from collections.abc import Iterator

from fcplug.context import Context
from fcplug.workers.worker import Worker

STOP_LIMIT = 5.0  # seconds for an application to close a body that nobody reads on


class Stream(Iterator[bytes]):
    """The chunks that a worker makes, each when it is asked for."""

    def __init__(self, worker: Worker, context: Context, deadline: float | None) -> None:
        self._worker = worker
        self._context = context
        self._deadline = deadline
        self._open = True

    def __next__(self) -> bytes:
        if not self._open:
            raise StopIteration
        self._open = False  # whatever is raised now ends it
        chunk = self._worker.next_chunk(self._context, self._deadline)
        if chunk is None:
            raise StopIteration
        self._open = True
        return chunk

    def close(self) -> None:
        """Have the worker close a body that is not at its end; kill it if it takes too long."""
        if self._open:
            self._open = False
            limit = time.monotonic() + STOP_LIMIT
            deadline = limit if self._deadline is None else min(limit, self._deadline)
            self._worker.stop_body(self._context, deadline)
