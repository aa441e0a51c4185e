"""What other programs read of a running platform: its log, and its calls, as they come.

Both are streams of JSON, one ``Item`` a line; an empty line means that nothing has happened for
two seconds. A reader that is too slow misses the oldest, and gets the number of what it missed.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator

import falcon
import msgspec

from fcplug.platform.answers import ApiError
from fcplug.platform.model import Followed, Happening, Invocation, LogLine, Platform

LOG_PATH = "/-/log"
CALLS_PATH = "/-/calls"

_MOST = 16  # readers at once: each holds a thread of the server
_LOOK = 0.25  # seconds after which it is noticed that a reader has gone
_BEAT = 2.0  # seconds of silence after which an empty line is sent
_TOGETHER = 256  # items that are sent at once


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of a line, a call that has ended, or how many of them were lost."""

    log: LogLine | None = None
    call: Invocation | None = None
    lost: int = 0


class Feed:
    """The resources that send what the platform keeps, and then what happens.

    Parameters of both: ``function``; ``past`` and ``follow``, each true or false. Of the log also:
    ``request``, a request id or its beginning or end; ``since``, seconds since the epoch.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._places = threading.BoundedSemaphore(_MOST)

    def on_get_log(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send the lines that instances write."""
        wanted = _wanted_line(request)
        past = self._platform.log_lines

        def kept() -> Iterator[Item]:
            return (Item(log=line) for line in past() if wanted(line))

        def happened(happening: Happening, last: int) -> Item | None:
            line = happening.value
            if isinstance(line, LogLine) and line.number > last and wanted(line):
                return Item(log=line)
            return None

        self._send(request, response, _Source(kept, happened))

    def on_get_calls(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send the calls that have ended, with what they sent and got."""
        function = request.get_param("function")
        seen: set[int] = set()

        def kept() -> Iterator[Item]:
            for one in reversed(self._platform.invocations(function, 2**31)):
                if one.outcome is not None:
                    seen.add(one.number)
                    yield Item(call=one)

        def happened(happening: Happening, _last: int) -> Item | None:
            one = happening.value
            ended = isinstance(one, Invocation) and one.outcome is not None
            if not ended or not isinstance(one, Invocation) or one.number in seen:
                return None
            return Item(call=one) if function in (None, one.call.function) else None

        self._send(request, response, _Source(kept, happened))

    def _send(self, request: falcon.Request, response: falcon.Response, source: "_Source") -> None:
        self._check_function(request.get_param("function"))
        past, follow = _flag(request, "past"), _flag(request, "follow")
        if not self._places.acquire(blocking=False):
            raise ApiError(
                429, "ResourceExhausted", f"{_MOST} programs read this platform already: end one"
            )
        gone = request.env.get("waitress.client_disconnected", lambda: False)
        response.content_type = "application/x-ndjson"
        response.stream = _Stream(self._platform, source, self._places, gone)
        response.stream.begin(past=past, follow=follow)

    def _check_function(self, name: str | None) -> None:
        if name is None or name in self._platform.functions:
            return
        if any(line.function == name for line in self._platform.log_lines()):
            return  # an edit removed it
        raise ApiError(404, "FunctionNotFound", f"function '{name[:140]}' does not exist")


class _Source(msgspec.Struct):
    """Where items come from: what is kept, and what happens after the last that was kept."""

    kept: Callable[[], Iterator[Item]]
    happened: Callable[[Happening, int], Item | None]


class _Stream:
    """The items of one reader, for as long as it reads."""

    def __init__(
        self,
        platform: Platform,
        source: _Source,
        places: threading.BoundedSemaphore,
        gone: Callable[[], bool],
    ) -> None:
        self._platform = platform
        self._source = source
        self._places = places
        self._gone = gone
        self._followed: Followed | None = None
        self._kept: Iterator[Item] = iter(())
        self._lost = 0
        self._last = 0
        self._begun = self._closed = False

    def begin(self, *, past: bool, follow: bool) -> None:
        """Follow before reading what is kept, so that nothing between the two is missed."""
        if follow:
            self._followed = self._platform.subscribe()
        if past:
            self._kept = self._source.kept()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return b"\n"  # the reader gets the head at once
        items = list(itertools.islice(self._kept, _TOGETHER))
        if items:
            if items[-1].log is not None:
                self._last = items[-1].log.number
            return _encoded(items)
        if self._followed is None:
            raise StopIteration
        return self._next_of(self._followed)

    def _next_of(self, followed: Followed) -> bytes:
        """Wait for what happens; return an empty line if nothing does."""
        until = time.monotonic() + _BEAT
        while time.monotonic() < until and not self._gone():
            items = self._take(followed)
            if followed.lost > self._lost:
                items.insert(0, Item(lost=followed.lost - self._lost))
                self._lost = followed.lost
            if items:
                return _encoded(items)
        return b"\n"

    def _take(self, followed: Followed) -> list[Item]:
        items: list[Item] = []
        try:
            happening = followed.get(timeout=_LOOK)
            while len(items) < _TOGETHER:
                item = self._source.happened(happening, self._last)
                if item is not None:
                    items.append(item)
                    if item.call is not None:
                        break  # it may be big
                happening = followed.get(block=False)
        except queue.Empty:
            pass
        return items

    def close(self) -> None:
        """Follow no more; the server calls it, however the stream ends."""
        if self._closed:
            return
        self._closed = True
        self._places.release()
        if self._followed is not None:
            self._platform.unsubscribe(self._followed)


def _encoded(items: list[Item]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def _wanted_line(request: falcon.Request) -> Callable[[LogLine], bool]:
    function, asked = request.get_param("function"), request.get_param("request")
    since = _seconds(request.get_param("since") or "0")

    def wanted(line: LogLine) -> bool:
        return (
            line.at >= since
            and function in (None, line.function)
            and (not asked or any(_is_of(one, asked) for one in line.request_ids))
        )

    return wanted


def _is_of(request_id: str, asked: str) -> bool:
    """Return whether an id is the one that was asked for, by the whole, its beginning or end."""
    return request_id.startswith(asked) or request_id.endswith(asked)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ApiError(
            400, "InvalidArgument", f"since is {text[:40]!a}: expected seconds since the epoch"
        ) from None


def _flag(request: falcon.Request, name: str) -> bool:
    text = request.get_param(name) or "false"
    if text not in ("true", "false"):
        raise ApiError(400, "InvalidArgument", f"{name} is {text[:20]!a}: expected true or false")
    return text == "true"
