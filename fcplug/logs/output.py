"""A descriptor that many writers share: whole lines, none mixed, and nobody waits for ever.

A line is written by one ``write``. What a writer has not ended yet waits here for its end, for
``flush``, or for the End line of its invocation.
"""

import contextlib
import os
import select
import stat
import sys
import threading
from collections.abc import Callable

from fcplug.context import current

_MAX_WAIT = 0.1  # seconds that a line may wait for a reader where nothing must be held up
_CHECK_INTERVAL = (
    0.1  # seconds between two looks at whether lines still wait, while the reader is stuck
)
_ATOMIC = 4096  # bytes that the kernel takes at once or not at all, where poll said "writable"
_MAX_UNFINISHED = 64 * 1024  # bytes that are kept of a line that nobody ends


# Whose line it is: its invocation, thread, task and stream (1 or 2, as descriptors are numbered).
# Two prints of one writer may make up one line.
Writer = tuple[object | None, int, object | None, int]

_NO_WRITER: Writer = (None, 0, None, 0)  # of whole lines
_CUT_LINE: Writer = (
    None,
    -1,
    None,
    0,
)  # of a line that was dropped half way: nobody goes on with it
_STREAMS = os.path.join(os.path.dirname(__file__), "streams.py")


class Output:
    """Writes lines to a descriptor of its own, so that closing the original one does no harm.

    By default lines wait until the reader takes them. While it does not, either they go on waiting,
    or, once ``stop_waiting`` was called, they are dropped and counted.

    Args:
        descriptor: what to write to; a copy of it is used.
        waits: whether lines wait for their reader.
        dropped_notice: returns the line that says how many lines were dropped.

    Attributes:
        descriptor: the copy.
        dropped: how many lines were dropped.
        unfinished: the lines that were begun and not ended.

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
        self.descriptor = _duplicate(descriptor)
        self.dropped = 0
        self._dropped_notice = dropped_notice
        self._reported = 0  # of the dropped lines, how many the log tells of
        self._lock = threading.RLock()  # a signal handler may print in the middle of a print
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLOUT)
        self._waits = waits
        self._stuck = False
        self._plain = waits  # nothing is special: lines wait, none is open, none was dropped
        self.unfinished: dict[Writer, bytes] = {}
        self._open: Writer | None = None  # who has written the start of a line that has no end yet

    def write(self, data: bytes, *, waits: bool = True) -> None:
        """Write whole lines; a line that their writer has begun is ended first.

        Args:
            data: the lines, with the newline of the last one.
            waits: False where waiting would hold up others: at most a tenth of a second then.
        """
        if self.unfinished and (unfinished := self.unfinished.pop(_writer(1), b"")):
            data = unfinished + b"\n" + data
        self._write_whole(data, waits=waits)

    def add(self, data: bytes, stream: int) -> None:
        """Write the lines that ``data`` ends, and keep the rest until its writer ends it."""
        if not (self.unfinished or self._open) and data.endswith(b"\n"):
            self._write_whole(data)
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
                self._write_whole(whole)
        unfinished += rest
        if len(unfinished) > _MAX_UNFINISHED:
            self._write(unfinished, writer)
        elif unfinished:
            self.unfinished[writer] = unfinished

    def flush(self, stream: int) -> None:
        """Write what the writer has not ended; the line goes on if nobody else writes before."""
        if self.unfinished:
            writer = _writer(stream)
            if unfinished := self.unfinished.pop(writer, b""):
                self._write(unfinished, writer)

    def end_lines(self, invocation: object | None) -> None:
        """End the lines that an invocation has begun.

        Those of threads that belong to no invocation, as far as anybody knows, are ended too: a
        handler may have started them. Only one that is inside a print is left alone.
        """
        for writer in list(self.unfinished):
            owner, thread, *_ = writer
            if owner is invocation or (owner is None and not _is_writing(thread)):
                self._end(writer)

    def end_all_lines(self) -> None:
        """End all lines that anybody has begun: the process ends."""
        for writer in list(self.unfinished):
            self._end(writer)

    def stop_waiting(self) -> None:
        """Let no line wait for the reader any longer, those that wait now included."""
        self._waits = self._plain = False

    def report_dropped(self) -> bytes:
        """Write how many lines were dropped since it was last said; return what cannot be said."""
        if self.dropped != self._reported:
            self._write(b"", _NO_WRITER, waits=False)
        return b"" if self.dropped == self._reported else self._report_dropped()

    def start_in_child(self) -> None:
        """Forget what the other threads of the parent were doing: a forked child has none."""
        self._lock = threading.RLock()
        self.unfinished = {}

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    def _end(self, writer: Writer) -> None:
        if unfinished := self.unfinished.pop(writer, b""):
            self._write(unfinished + b"\n", writer)

    def _write_whole(self, data: bytes, *, waits: bool = True) -> None:
        if waits and self._plain and self._lock.acquire(False):
            try:  # the way of nearly all lines
                if self._plain:
                    data = data[os.write(self.descriptor, data) :]
                if data:
                    self._write(data, _NO_WRITER)
            except OSError:
                self._write(data, _NO_WRITER)
            finally:
                self._lock.release()
        else:
            self._write(data, _NO_WRITER, waits=waits)

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
        """Seconds that a line waits which must not: none while the reader is known to be stuck."""
        return 0.0 if self._stuck else _MAX_WAIT

    def _put(self, data: bytes, limit: float) -> bool:
        """Write bytes; False when some were dropped. The lock is held.

        Args:
            data: what to write.
            limit: seconds to wait for the reader, each time that it is not ready; negative waits
                until ``stop_waiting`` is called.
        """
        rest = data
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
            rest = b""  # the reader has gone, and wants nothing
        except OSError:
            pass  # a full disk, for example: the lines are dropped
        self._stuck = bool(rest)
        if rest:
            self._drop(rest)
            if len(rest) < len(data):
                self._open = _CUT_LINE
        return not rest

    def _wait(self) -> bool:
        """Wait until the reader has made room; False if lines wait no longer."""
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
    """Return a copy of a descriptor; of a pipe one that never blocks, which copies share."""
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        with contextlib.suppress(OSError):  # not Linux, or the pipe is another user's
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    return os.dup(descriptor)


def _writer(stream: int) -> Writer:
    task = None
    tasks = sys.modules.get("asyncio.tasks")  # what is not imported runs nowhere
    if tasks and tasks.events._get_running_loop():
        task = tasks.current_task()
    return current.get(), threading.get_ident(), task, stream


def _is_writing(thread: int) -> bool:
    """Tell whether a thread is inside a print, of which more may follow.

    A print of two values writes four times, and another thread's turn comes only inside one of
    these calls, never between them.
    """
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename != _STREAMS:
        if frame.f_code.co_filename != __file__:
            return False
        frame = frame.f_back
    return frame is not None
