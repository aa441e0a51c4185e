"""What just changed, as server-sent events: pages then fetch the parts of them that show it."""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable

import falcon

from fcplug.platform.model import Followed, Platform

MOST = 16  # streams at a time: each takes a thread, and pages need some, too
_PACE = 0.5  # seconds between two messages
_LOOK = 0.25  # seconds between two looks at whether the stream ends
_BEAT = 10.0  # seconds after which a message says that the stream lives
_MOST_AT_ONCE = 10_000  # happenings that one message stands for
_RETRY = 1000  # milliseconds after which a browser connects again


class Streams:
    """Serves streams until it is closed; browsers then try to connect again.

    Args:
        platform: what is followed.
        hello: returns what a page must know when it connects.
        inspected: counts the inspections that have ended.
    """

    def __init__(
        self,
        platform: Platform,
        hello: Callable[[], dict[str, str]],
        inspected: Callable[[], int],
    ) -> None:
        self.hello = hello
        self.inspected = inspected
        self.closed = threading.Event()
        self._platform = platform
        self._room = threading.Semaphore(MOST)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with a stream.

        Raises:
            falcon.HTTPServiceUnavailable: there are too many.
        """
        if self.closed.is_set() or not self._room.acquire(blocking=False):
            raise falcon.HTTPServiceUnavailable(
                title="Too many pages are live", description="Close one of them.", retry_after=5
            )
        response.content_type = "text/event-stream"
        gone: Callable[[], bool] = request.env.get("waitress.client_disconnected", bool)
        followed = self._platform.subscribe()

        def end() -> None:
            self._platform.unsubscribe(followed)
            self._room.release()

        response.stream = _Stream(self, followed, gone, end)


class _Stream:
    """One stream. Closing it is the server's duty, also if it was never read."""

    def __init__(
        self,
        streams: Streams,
        followed: Followed,
        gone: Callable[[], bool],
        end: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._followed = followed
        self._gone = gone
        self._end = end
        self._inspected = streams.inspected()
        self._greeted = False
        self._ended = False

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> bytes:
        if not self._greeted:
            self._greeted = True
            hello = json.dumps(self._streams.hello())
            return f"retry: {_RETRY}\nevent: hello\ndata: {hello}\n\n".encode()
        beat = time.monotonic() + _BEAT
        while time.monotonic() < beat:
            if self._streams.closed.is_set() or self._gone():
                raise StopIteration
            if kinds := self._changed():
                self._streams.closed.wait(_PACE)
                kinds |= self._drained()
                return f"event: changed\ndata: {' '.join(sorted(kinds))}\n\n".encode()
        return b":\n\n"

    def close(self) -> None:
        """Give its place to another."""
        if not self._ended:
            self._ended = True
            self._end()

    def _changed(self) -> set[str]:
        """Return the kinds of what happened in the next moment."""
        kinds: set[str] = set()
        try:
            happening = self._followed.get(timeout=_LOOK)
        except queue.Empty:
            pass
        else:
            kinds = {happening.kind} | self._drained()
        inspected = self._streams.inspected()
        if inspected != self._inspected:
            self._inspected = inspected
            kinds.add("inspection")
        return kinds

    def _drained(self) -> set[str]:
        """Return the kinds of what has happened meanwhile."""
        kinds: set[str] = set()
        with contextlib.suppress(queue.Empty):
            for _ in range(_MOST_AT_ONCE):
                kinds |= {self._followed.get(block=False).kind}
        return kinds
