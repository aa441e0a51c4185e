"""Read the body of a web answer from a worker, chunk by chunk."""

import time
from collections.abc import Iterator

from fcplug.context import Context
from fcplug.workers.worker import Worker

STOP_LIMIT = 5.0  # seconds for an application to close a body that is not read to its end


class Stream(Iterator[bytes]):
    """The chunks of a body; the worker creates each one when it is requested."""

    def __init__(self, worker: Worker, context: Context, deadline: float | None) -> None:
        self._worker = worker
        self._context = context
        self._deadline = deadline
        self._open = True

    def __next__(self) -> bytes:
        if not self._open:
            raise StopIteration
        self._open = False  # an exception below also ends the stream
        chunk = self._worker.next_chunk(self._context, self._deadline)
        if chunk is None:
            raise StopIteration
        self._open = True
        return chunk

    def close(self) -> None:
        """Close an unfinished body; kill the worker if that is too slow."""
        if self._open:
            self._open = False
            limit = time.monotonic() + STOP_LIMIT
            deadline = limit if self._deadline is None else min(limit, self._deadline)
            self._worker.stop_body(self._context, deadline)
