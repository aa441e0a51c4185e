"""Redirects the log and the standard streams to a function of this process for a while."""

import logging
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal

from fcplug.context import current
from fcplug.logs import process_log
from fcplug.logs.output import Output, Writer
from fcplug.logs.records import JsonFormatter, RecordHandler, TextFormatter
from fcplug.logs.streams import LineStream


class Capture(Output):
    """An output that passes whole lines to a function instead of writing them.

    ``deliver`` is called with one or more lines, on the thread that wrote them. A forked child
    writes to standard output, because the function runs in its own memory.
    """

    def __init__(self, deliver: Callable[[str], object]) -> None:
        process_log.open_standard_descriptors()
        super().__init__(1)
        self._deliver: Callable[[str], object] | None = deliver

    def flush(self, stream: int) -> None:
        """Keep the unfinished line: half a line is of no use to the function."""
        if self._deliver is None:
            super().flush(stream)

    def start_in_child(self) -> None:
        """Write to standard output from now on."""
        super().start_in_child()
        self._deliver = None

    def close(self) -> None:
        """Pass on no more lines, also of streams that user code has kept."""
        self._deliver = lambda _: None
        super().close()

    def write_lines(self, data: bytes) -> None:
        """Pass on whole lines."""
        if self._deliver is None:
            super().write_lines(data)
        else:
            self._deliver(data.decode("utf-8", "replace"))

    def _write(self, data: bytes, writer: Writer, *, waits: bool = True) -> None:
        if self._deliver is None:
            super()._write(data, writer, waits=waits)
        else:
            self._deliver(data.decode("utf-8", "replace"))


class _Relay(logging.Handler):
    """Passes records on to other handlers, which user code cannot close by closing this one."""

    others: Sequence[logging.Handler] = ()

    def handle(self, record: logging.LogRecord) -> bool:
        """Pass a record to the handlers whose level it reaches."""
        for other in self.others:
            if record.levelno >= other.level:
                other.handle(record)
        return True


class Redirection:
    """A context, which can be entered again, that redirects the log and prints to an output.

    Handlers that the root logger has already get the records, too, and user code cannot close
    them. If user code replaces the streams or the root logger's handlers inside, its replacements
    return when the context is entered again, and have no effect outside.

    A process has one standard output: a second redirection can be entered only inside a call, where
    it is left again before the first one.
    """

    def __init__(self, output: Output, style: Literal["text", "json"], level: str) -> None:
        formatter = JsonFormatter() if style == "json" else TextFormatter()
        self._handler = RecordHandler(output, formatter)
        self._level = level
        stdout, stderr = LineStream(output, 1), LineStream(output, 2)
        self._state: dict[str, Any] = {
            "out": output,
            "error": output,
            "write_lines": output.write_lines,
            "stdout": stdout,
            "stderr": stderr,
        }
        self._streams: tuple[Any, ...] = (stdout, stderr, stdout, stderr)
        self._relay = _Relay()
        self._root_handlers: list[logging.Handler] = [self._handler, self._relay]
        self._root_level: int = logging.getLevelName(level)

    def __enter__(self) -> None:
        before = process_log.exchange_state(self._state)
        if isinstance(before.get("out"), Capture) and current.get() is None:
            process_log.exchange_state(before)
            raise RuntimeError(
                "the log of this process is redirected already: calls of two runners cannot "
                "overlap; use one runner for both"
            )
        self._state = before
        root = logging.getLogger()
        self._outside = _streams(), list(root.handlers), root.level
        self._relay.others = list(root.handlers)
        _set_streams(self._streams)
        root.handlers[:] = self._root_handlers
        root.setLevel(self._root_level)
        self._give_loggers_back = process_log.take_loggers(self._handler, self._level)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        root = logging.getLogger()
        streams, handlers, level = self._outside
        self._give_loggers_back()
        self._root_handlers = list(root.handlers)
        self._root_level = root.level
        root.handlers[:] = handlers
        root.setLevel(level)
        self._streams = _streams()
        _set_streams(streams)
        self._state = process_log.exchange_state(self._state)


def _streams() -> tuple[Any, ...]:
    return sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__


def _set_streams(streams: tuple[Any, ...]) -> None:
    sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
