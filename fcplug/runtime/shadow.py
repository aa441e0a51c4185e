"""Copies of events for a second function, whose answers are compared and never returned.

The states of a copy::

    taken ── its function has answered; with ``wait`` at once ──▶ waits ── a thread is free ──▶ runs
      │                                                             │                           │
      │ too many wait                                               │ stop                      ▼
      └────────────────────────────▶ dropped, and counted ◀─────────┘          compared and logged

All work for a copy is done by threads of this module. A copy that does not end by its own deadline
is abandoned; while two of them still run, further copies for that function are dropped.

FC may freeze the instance right after the answer. Time in which it was frozen does not count for a
copy. One that a freeze has cut off all the same, since it waited for its turn, is not compared.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from fcplug import logs, protocol
from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.routes import ShadowEntry
from fcplug.context import Context, current
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError, quantity
from fcplug.identity import SHADOW_OF
from fcplug.result import error_type_of, format_error, redacted
from fcplug.runtime.difference import difference
from fcplug.runtime.function import Function
from fcplug.runtime.routing import ticket

log = logging.getLogger("fcplug.shadow")

MOST_THREADS = 4
MOST_WAITING = 32
MOST_BYTES = 64 * 1024 * 1024  # of the events and answers of all copies
_MOST_ABANDONED = 2  # copies for one function
_IDLE = 10.0  # seconds after which a thread without work ends
_QUIET = 10.0  # seconds between two reports of dropped copies
_FROZEN = 1.0  # seconds beyond its time after which a copy was frozen: else it is cut off at once
_SUFFIX = "-shadow"
_MOST_ID = 128  # characters of a request id


class Outcome(NamedTuple):
    """How a call ended: its answer, or the type of its error."""

    answer: bytes
    error: str
    seconds: float


class _Copy:
    """A copy of one event, and what its function made of the event itself."""

    def __init__(self, name: str, entry: ShadowEntry, event: bytes, context: Context) -> None:
        self.name = name
        self.entry = entry
        self.event = event
        self.original = context
        self.first: Outcome | None = None
        self.size = len(event)
        self.answered = threading.Event()  # its function has
        self.done = threading.Event()

    def context(self) -> Context:
        """Return the context of the copy, whose time begins now."""
        headers = self.original.to_headers()
        dropped = [protocol.FUNCTION_TIMEOUT, protocol.FUNCTION_NAME, protocol.FUNCTION_HANDLER]
        if not self.entry.credentials:
            dropped += protocol.CREDENTIAL_HEADERS
        for name in dropped:
            headers.pop(name, None)
        own = self.original.request_id
        headers[protocol.REQUEST_ID] = own[: _MOST_ID - len(_SUFFIX)] + _SUFFIX
        headers[protocol.FUNCTION_NAME] = self.entry.to
        headers[SHADOW_OF] = own
        return Context.from_headers(headers, {}).for_function({}, self.entry.timeout)


class Shadows:
    """Gives functions copies of the events of others.

    ``function_of`` returns an entered function, None if there is none of that name any more.
    """

    def __init__(self, function_of: Callable[[str], Function | None]) -> None:
        self._function_of = function_of
        # its own: copies that hang must not be counted with invocations
        self._pool = ThreadPool(lambda: None, max_abandoned=1000, max_cpu=float("inf"))
        self._deadlines: dict[str, DeadlineExecutor] = {}
        self._changed = threading.Condition()
        self._waiting: deque[_Copy] = deque()
        self._running: set[_Copy] = set()
        self._bytes = 0
        self._threads = 0
        self._idle = 0
        self._closed = False
        self._dropped: dict[tuple[str, str], int] = {}
        self._reported = -_QUIET

    def invoke(self, function: Function, event: bytes, context: Context) -> bytes:
        """Answer one event by its function; its shadow gets a copy, if it is of the share."""
        entry = function.spec.shadow
        if entry is None or not _is_of_share(entry.share, context.request_id):
            return function.invoke(event, context)
        copy = _Copy(function.spec.name, entry, event, context)
        if entry.wait:
            self._add(copy)
        started = time.monotonic()
        answer, error = b"", ""
        try:
            answer = function.invoke(event, context)
        except BaseException as raised:
            error = error_type_of(raised)
            raise
        finally:
            copy.first = Outcome(answer, error, time.monotonic() - started)
            copy.answered.set()
            if entry.wait:
                copy.done.wait(min(entry.wait, context.remaining_time()))
            else:
                self._add(copy)
        return answer

    def settle(self, limit: float) -> bool:
        """Wait until no copy waits or runs; return False if some do after ``limit`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._running), limit)

    def close(self, limit: float) -> None:
        """Take no more copies, and drop those that still wait after ``limit`` seconds."""
        with self._changed:
            self._closed = True
        self.settle(limit)
        with self._changed:
            for copy in self._waiting:
                self._drop(copy)
            self._waiting.clear()
            self._changed.notify_all()
            self._report(time.monotonic(), at_once=True)

    def _add(self, copy: _Copy) -> None:
        """Let a thread run a copy, or drop it; never raise."""
        with self._changed:
            copy.size = len(copy.event) + (len(copy.first.answer) if copy.first else 0)
            full = len(self._waiting) >= MOST_WAITING or self._bytes + copy.size > MOST_BYTES
            if self._closed or full or not self._has_thread():
                self._drop(copy)
                self._report(time.monotonic())
                return
            self._waiting.append(copy)
            self._bytes += copy.size
            self._changed.notify_all()

    def _has_thread(self) -> bool:
        """Return whether some thread will run one more copy; start one if it may help."""
        if self._idle <= len(self._waiting) and self._threads < MOST_THREADS:
            thread = threading.Thread(target=self._work, name="fcplug-shadow", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                return self._threads > 0
            self._threads += 1
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                found = self._changed.wait_for(lambda: self._waiting or self._closed, _IDLE)
                self._idle -= 1
                if not found or not self._waiting:
                    self._threads -= 1
                    return
                copy = self._waiting.popleft()
                self._running.add(copy)
            try:
                self._run(copy)
            except Exception:
                log.exception("a copy for '%s' failed in the runtime", copy.entry.to)
            finally:
                copy.done.set()
                with self._changed:
                    self._running.remove(copy)
                    self._bytes -= copy.size
                    self._changed.notify_all()

    def _run(self, copy: _Copy) -> None:
        context = copy.context()
        function = self._function_of(copy.entry.to)
        if function is None:
            self._count(copy)
            return
        token = current.set(context)
        started = time.monotonic()
        answer, error = b"", ""
        try:
            answer = function.invoke_copy(copy.event, context, self._deadlines_of(copy.entry.to))
        except ConcurrencyExceeded:
            self._count(copy)
            return
        except BaseException as raised:
            error = error_type_of(raised)
            if _was_frozen(raised, time.monotonic() - started, copy):
                return
            log.warning("%s", redacted(format_error(raised), copy.original.credentials))
        finally:
            function.leave()
            logs.end_lines(context)
            current.reset(token)
        second = Outcome(answer, error, time.monotonic() - started)
        copy.answered.wait()
        if copy.first:
            _log(copy, copy.first, second, context)

    def _deadlines_of(self, name: str) -> DeadlineExecutor:
        with self._changed:
            if name not in self._deadlines:
                self._deadlines[name] = DeadlineExecutor(
                    name, self._pool, _MOST_ABANDONED, awake_only=True
                )
            return self._deadlines[name]

    def _count(self, copy: _Copy) -> None:
        with self._changed:
            self._drop(copy)
            self._report(time.monotonic())

    def _drop(self, copy: _Copy) -> None:
        pair = (copy.entry.to, copy.name)
        self._dropped[pair] = self._dropped.get(pair, 0) + 1
        copy.done.set()

    def _report(self, now: float, *, at_once: bool = False) -> None:
        """Log how many copies were dropped, at most once in a while."""
        if not self._dropped or (now - self._reported < _QUIET and not at_once):
            return
        self._reported = now
        dropped, self._dropped = self._dropped, {}
        for (to, name), count in dropped.items():
            log.warning(
                "shadow '%s' of '%s': %s not copied, since too many copies wait or run",
                to,
                name,
                quantity(count, "event"),
            )


def _is_of_share(share: float, request_id: str) -> bool:
    """Return whether an event is copied; a retry of it is, too, in any process."""
    return share >= 100 or ticket(request_id, "shadow") % 10_000 < share * 100


def _was_frozen(error: BaseException, seconds: float, copy: _Copy) -> bool:
    """Return whether the time of a copy was up while the process was frozen, and log that."""
    late = seconds > copy.entry.timeout + _FROZEN
    if not isinstance(error, FunctionTimeoutError) or not late:
        return False
    what = "shadow '%s' of '%s': not compared, since the instance was frozen while it ran"
    log.info(what, copy.entry.to, copy.name)
    return True


def _log(copy: _Copy, first: Outcome, second: Outcome, context: Context) -> None:
    """Write the comparison of two answers: sizes, times and places, and none of their values."""
    if first.error or second.error:
        same = first.error == second.error
        what = f"both failed with {first.error}" if same else _failure(first, second)
    else:
        places = difference(first.answer, second.answer)
        same = not places
        what = f"differs: {places}" if places else "same answer"
    log.log(
        logging.INFO if same else logging.WARNING,
        "shadow '%s' of '%s': %s; %s in %.1f ms, '%s' had %s in %.1f ms",
        copy.entry.to,
        copy.name,
        what,
        quantity(len(second.answer), "byte"),
        second.seconds * 1000,
        copy.name,
        quantity(len(first.answer), "byte"),
        first.seconds * 1000,
        extra={"fc_context": context, "shadow_same": same},
    )


def _failure(first: Outcome, second: Outcome) -> str:
    what = f"failed with {second.error}" if second.error else "answered"
    return (
        f"it {what}, where the other {f'failed with {first.error}' if first.error else 'answered'}"
    )
