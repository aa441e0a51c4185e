"""What an instance writes: read at once, cut to lines, and given to the calls it belongs to."""

import contextlib
import fcntl
import os
import select
import struct
import termios
import threading
from collections.abc import Callable, Sequence

from fcplug import protocol

_CHUNK = 65536  # bytes of one read
_CALL_LOG = 1024 * 1024  # bytes that are kept of what is written during a call
_LAST = 16 * 1024  # bytes that are kept of an instance's output, for messages

Listener = Callable[[str, Sequence[str]], None]


class _Tail:
    """The last bytes of something."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > 2 * self._most:
            del self._data[: -self._most]

    def get(self) -> bytes:
        return bytes(self._data[-self._most :])


class Capture:
    """What belongs to one call."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.name = request_id.encode("utf-8", "surrogateescape")
        self.tail = _Tail(_CALL_LOG)


class Output:
    """The pipe that an instance writes its standard output and error to.

    Only the first 32 KB of a line are kept, which is where FC's log service cuts. Memory does not
    grow with what a function writes.
    """

    def __init__(self, listener: Listener) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._wake_reader, self._wake = os.pipe()
        self._listener = listener
        self._lock = threading.Lock()
        self._calls: list[Capture] = []
        self._last = _Tail(_LAST)
        self._line = bytearray()
        self._line_size = 0
        self._open = True
        self._thread = threading.Thread(target=self._run, name="fcplug-platform-output")
        self._thread.daemon = True

    def start(self) -> None:
        """Read from now on. The process has its own end of the pipe, so ours is closed."""
        os.close(self.writer)
        self.writer = -1
        self._thread.start()

    def begin(self, request_id: str) -> Capture:
        """Collect for a call what is written from now on."""
        capture = Capture(request_id)
        with self._lock:
            self._calls.append(capture)
        return capture

    def end(self, capture: Capture) -> bytes:
        """Return what was written for a call, with what is still in the pipe."""
        with self._lock:
            self._drain()
            if len(self._calls) == 1:
                self._end_line(b"")
            self._calls.remove(capture)
            return capture.tail.get()

    @property
    def last(self) -> str:
        """The last lines of the output."""
        with self._lock:
            return self._last.get().decode("utf-8", "replace")

    def close(self) -> None:
        """Read what is left, and stop."""
        with self._lock:
            if not self._open:
                return
            self._drain()
            self._end_line(b"")
            self._open = False
        os.close(self._wake)
        if self._thread.ident is not None:
            self._thread.join()
        else:
            os.close(self.writer)
        os.close(self._reader)
        os.close(self._wake_reader)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(self._wake_reader, 0)  # its other end is closed
        while True:
            events = dict(poll.poll())
            if self._wake_reader in events:
                return
            with self._lock:
                if self._open and not self._read(_CHUNK):
                    poll.unregister(self._reader)  # nobody can write any more

    def _drain(self) -> None:
        """Read what is in the pipe now, and no more: a process may write without end."""
        if not self._open:
            return
        size = fcntl.ioctl(self._reader, termios.FIONREAD, b"\0" * 4)
        left = struct.unpack("i", size)[0]
        while left > 0 and (count := self._read(left)):
            left -= count

    def _read(self, most: int) -> int:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._reader, most)
            *lines, rest = data.split(b"\n")
            for part in lines:
                self._extend(part)
                self._end_line(b"\n")
            self._extend(rest)
            return len(data)
        return 1

    def _extend(self, part: bytes) -> None:
        self._line += part[: max(protocol.MAX_LOG_RECORD - len(self._line), 0)]
        self._line_size += len(part)

    def _end_line(self, end: bytes) -> None:
        if not self._line and not end:
            return
        line = bytes(self._line)
        if self._line_size > len(line):
            line += f"... (cut: the line has {self._line_size} bytes)".encode()
        self._line.clear()
        self._line_size = 0
        self._last.add(line + end)
        calls = [call for call in self._calls if call.name in line] or self._calls
        for call in calls:
            call.tail.add(line + end)
        self._listener(line.decode("utf-8", "replace"), [call.request_id for call in calls])
