"""Carries a web answer from the thread of its call to that of the server, as the function makes it.

The call writes parts into a queue of a few, so a client that reads slowly slows the function down
as it would without a platform; the time limit of the function counts all the same. A client that
leaves ends the call.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator

from fcplug.platform.connection import Abandoned
from fcplug.platform.model import Outcome

_AHEAD = 16  # parts that the call may be ahead of its client
_LOOK = 0.2  # seconds between looks at whether the client has left

_Part = bytes | Outcome | BaseException
"""A part of a body, the outcome at the end, or why there is none."""


class Exchange:
    """Implements ``Client`` for a request to the API.

    Attributes:
        head: status and headers, once the answer has begun and its body comes in parts.
        length: bytes of the body, None if that is not known.
    """

    def __init__(self, disconnected: Callable[[], bool]) -> None:
        self.head: Outcome | None = None
        self.length: int | None = None
        self._disconnected = disconnected
        self._left = threading.Event()
        self._begun = threading.Event()
        self._complete = False
        self._parts: queue.Queue[_Part] = queue.Queue(_AHEAD)

    def gone(self) -> bool:
        """Return whether nobody waits for the answer any more."""
        return self._left.is_set() or self._disconnected()

    def begin(self, head: Outcome, length: int | None) -> None:
        """Take the status and the headers; the body follows."""
        self.head, self.length = head, length
        self._begun.set()

    def write(self, part: bytes, deadline: float) -> None:
        """Take a part of the body.

        Raises:
            TimeoutError: the client did not read until the deadline.
            Abandoned: it has left.
        """
        while not self._put(part):
            if self.gone():
                raise Abandoned
            if time.monotonic() > deadline:
                raise TimeoutError

    def end(self) -> None:
        """Take the end of the body: it is complete."""
        self._complete = True

    def run(self, call: Callable[[], Outcome]) -> Outcome | None:
        """Run a call in a thread; return its outcome, or None once its answer has begun."""

        def work() -> None:
            try:
                end: Outcome | BaseException = call()
            except BaseException as error:
                end = error
            while not self._put(end) and not self.gone():
                pass
            self._begun.set()

        threading.Thread(target=work, name="fcplug-call", daemon=True).start()
        self._begun.wait()
        if self.head is not None:
            return None
        end = self._parts.get_nowait()
        if isinstance(end, BaseException):
            raise end
        assert isinstance(end, Outcome)  # noqa: S101 - nothing was written before it began
        return end

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = self._parts.get()
        if isinstance(part, bytes):
            return part
        if self._complete:
            raise StopIteration
        raise ConnectionAbortedError  # the server cuts the answer off: its client sees that

    def close(self) -> None:
        """Let the call end; the server calls it, however the answer ends."""
        self._left.set()

    def _put(self, part: _Part) -> bool:
        try:
            self._parts.put(part, timeout=_LOOK)
        except queue.Full:
            return False
        return True
