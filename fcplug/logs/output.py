"""Writes whole lines of many writers to one descriptor, without mixing them.

A line is written by one ``write``. A line without an end is kept until its writer ends it or
flushes, or until its invocation ends.

What a line goes through, from fast to slow::

    write_lines()    the common case ("plain"): lines wait, no line is open, none was dropped
        │ anything else
        ▼
    _write()         takes the lock; first ends a line that another writer left open, and reports
        │            dropped lines as soon as there is a reader
        ▼
    _put()           the descriptor has room ─────────────────▶ written
        │ it has none: the reader is slow
        ├── lines wait ─── until it has room, or until stop_waiting()
        └── they do not ── at most 0.1 s, then "stuck": later lines do not wait at all ──▶ dropped
"""

import contextlib
import errno
import os
import select
import stat
import sys
import threading
from collections.abc import Callable

from fcplug.context import current

_MAX_WAIT = 0.1  # seconds that a line waits for the reader where it must not block
_CHECK_INTERVAL = 0.1  # seconds between two checks whether lines still wait
_ATOMIC = 4096  # bytes that a writable pipe takes as a whole
_MAX_UNFINISHED = 64 * 1024  # bytes of a line without an end that are kept

# The writer of a line: its invocation, thread, task and stream (1 or 2, the number of the
# descriptor). Several prints of one writer can make up one line.
Writer = tuple[object | None, int, object | None, int]

_NO_WRITER: Writer = (None, 0, None, 0)  # of whole lines
_CUT_LINE: Writer = (None, -1, None, 0)  # of a line whose rest was dropped: no writer continues it
_STREAMS = os.path.join(os.path.dirname(__file__), "streams.py")


class Output:
    """Writes lines to a copy of a descriptor, so that closing the original does no harm.

    By default lines wait until the reader takes them. After ``stop_waiting`` they are dropped and
    counted while it does not.

    Args:
        descriptor: the descriptor to copy and write to.
        waits: whether lines wait for their reader.
        dropped_notice: returns the line that says how many lines were dropped.

    Attributes:
        descriptor: the copy.
        dropped: how many lines were dropped.
        unfinished: the lines that have no end yet, by writer.

    Raises:
        OSError: the descriptor is not open.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        waits: bool = True,
        dropped_notice: Callable[[int], str] = "{} lines were dropped\n".format,
    ) -> None:
        self._original = descriptor
        self._file = os.fstat(descriptor)
        self.descriptor = _duplicate(descriptor)
        self.dropped = 0
        self._dropped_notice = dropped_notice
        self._reported = 0  # how many dropped lines were reported in the log
        self._lock = threading.RLock()  # reentrant: a signal handler may print during a print
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLOUT)
        self._waits = waits
        self._stuck = False
        self._plain = waits  # lines wait, none is open, none was dropped
        self.unfinished: dict[Writer, bytes] = {}
        self._open: Writer | None = None  # the writer of the line that is written without its end

    def write(self, data: bytes, *, waits: bool = True) -> None:
        """Write whole lines; first end the unfinished line of their writer.

        Args:
            data: the lines, with the newline of the last one.
            waits: False to wait at most 0.1 s for the reader.
        """
        if self.unfinished and (unfinished := self.unfinished.pop(_writer(1), b"")):
            data = unfinished + b"\n" + data
        if waits:
            self.write_lines(data)
        else:
            self._write(data, _NO_WRITER, waits=False)

    def write_lines(self, data: bytes) -> None:
        """Write whole lines of which the writer has no unfinished one; wait for the reader."""
        if self._lock.acquire(False):
            try:
                written = os.write(self.descriptor, data) if self._plain else 0
                if written < len(data):
                    self._write(data[written:], _NO_WRITER)
            except OSError:
                self._write(data, _NO_WRITER)
            finally:
                self._lock.release()
        else:
            self._write(data, _NO_WRITER)

    def add(self, data: bytes, stream: int) -> None:
        """Write the whole lines of ``data``, and keep the rest until its writer ends it."""
        if not (self.unfinished or self._open) and data.endswith(b"\n"):
            self.write_lines(data)
            return
        writer = _writer(stream)
        whole, newline, rest = data.rpartition(b"\n")
        unfinished = self.unfinished.pop(writer, b"")
        if newline:
            whole = unfinished + whole + newline
            unfinished = b""
            if self._open:
                self._write(whole, writer)
            else:
                self.write_lines(whole)
        unfinished += rest
        if len(unfinished) > _MAX_UNFINISHED:
            self._write(unfinished, writer)
        elif unfinished:
            self.unfinished[writer] = unfinished

    def flush(self, stream: int) -> None:
        """Write the unfinished line; its writer can continue it if no other writes first."""
        if self.unfinished:
            writer = _writer(stream)
            if unfinished := self.unfinished.pop(writer, b""):
                self._write(unfinished, writer)

    def end_lines(self, invocation: object | None) -> None:
        """End the unfinished lines of an invocation.

        Also ends those of threads without an invocation, which the handler may have started, unless
        such a thread is inside a print.
        """
        for writer in list(self.unfinished):
            owner, thread, *_ = writer
            if owner is invocation or (owner is None and not _is_writing(thread)):
                self._end(writer)

    def end_all_lines(self) -> None:
        """End all unfinished lines, because the process ends."""
        for writer in list(self.unfinished):
            self._end(writer)

    def stop_waiting(self) -> None:
        """Stop waiting for the reader, also for lines that wait now."""
        self._waits = self._plain = False

    def report_dropped(self) -> bytes:
        """Report the dropped lines in the log; return the report if it cannot be written."""
        if self.dropped != self._reported:
            self._write(b"", _NO_WRITER, waits=False)
        return b"" if self.dropped == self._reported else self._report_dropped()

    def start_in_child(self) -> None:
        """Reset what other threads of the parent have locked or begun; a forked child has none."""
        self._lock = threading.RLock()
        self.unfinished = {}

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def _end(self, writer: Writer) -> None:
        if unfinished := self.unfinished.pop(writer, b""):
            self._write(unfinished + b"\n", writer)

    def _write(self, data: bytes, writer: Writer, *, waits: bool = True) -> None:
        while not self._lock.acquire(
            timeout=_CHECK_INTERVAL if waits and self._waits else self._limit
        ):
            if not (waits and self._waits):
                self._drop(data)
                return
        try:
            if self._open is not None and self._open != writer:
                data = b"\n" + data
            if self.dropped != self._reported and self._poll.poll(0):
                data = self._report_dropped() + data
            if self._put(data, -1.0 if waits and self._waits else self._limit):
                self._open = None if data.endswith(b"\n") else writer
            self._plain = self._waits and self._open is None and self.dropped == self._reported
        finally:
            self._lock.release()

    @property
    def _limit(self) -> float:
        """Seconds that a line waits where it must not block; 0 while the reader is stuck."""
        return 0.0 if self._stuck else _MAX_WAIT

    def _put(self, data: bytes, limit: float) -> bool:
        """Write bytes; return False if some were dropped. Call it with the lock held.

        Args:
            data: what to write.
            limit: seconds to wait each time that the reader is not ready; if negative, wait until
                ``stop_waiting``.
        """
        rest = memoryview(data)  # a slice of bytes would copy all of a long line for each write
        try:
            while rest:
                if limit >= 0 and not self._poll.poll(limit * 1000):
                    break
                try:
                    rest = rest[os.write(self.descriptor, rest if limit < 0 else rest[:_ATOMIC]) :]
                except BlockingIOError:
                    if limit < 0 and not self._wait():
                        break
        except BrokenPipeError:
            rest = rest[:0]  # the reader has ended: there is no one to inform
        except OSError as error:
            if error.errno == errno.EBADF and self._copy_again():
                return self._put(bytes(rest), limit)
            # else a full disk, for example: the lines are dropped
        self._stuck = bool(rest)
        if rest:
            self._drop(bytes(rest))
            if len(rest) < len(data):
                self._open = _CUT_LINE
        return not rest

    def _copy_again(self) -> bool:
        """Make another copy, as other code has closed this one; return whether that was possible.

        It is not if the original is another file now.
        """
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._original), self._file):
                self._poll.unregister(self.descriptor)
                self.descriptor = _duplicate(self._original)
                self._poll.register(self.descriptor, select.POLLOUT)
                return True
        return False

    def _wait(self) -> bool:
        """Wait until the reader has made room; return False if lines must not wait any longer."""
        while self._waits:
            if self._poll.poll(_CHECK_INTERVAL * 1000):
                return True
        return False

    def _drop(self, data: bytes) -> None:
        self._plain = False
        self.dropped += max(1, data.count(b"\n"))

    def _report_dropped(self) -> bytes:
        count = self.dropped - self._reported
        self._reported = self.dropped
        return self._dropped_notice(count).encode()


def _duplicate(descriptor: int) -> int:
    """Return a copy of a descriptor; for a pipe, one that is opened again and does not block.

    A duplicate would share the blocking mode with the original.
    """
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        with contextlib.suppress(OSError):  # not Linux, or the pipe is another user's
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    return os.dup(descriptor)


def _writer(stream: int) -> Writer:
    task = None
    tasks = sys.modules.get("asyncio.tasks")  # without the import there is no task
    if tasks and tasks.events._get_running_loop():
        task = tasks.current_task()
    return current.get(), threading.get_ident(), task, stream


def _is_writing(thread: int) -> bool:
    """Return whether a thread is inside a print, which may write more.

    A print of two values writes four times. Other threads run during one of these calls, never
    between two of them.
    """
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename != _STREAMS:
        if frame.f_code.co_filename != __file__:
            return False
        frame = frame.f_back
    return frame is not None
