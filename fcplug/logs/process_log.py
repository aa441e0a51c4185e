"""The standard streams of this process, and the lines that the runtime writes itself."""

import contextlib
import contextvars
import functools
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fcplug.logs.output import Output
from fcplug.logs.records import (
    JsonFormatter,
    RecordFormatter,
    RecordHandler,
    RuntimeLogger,
    TextFormatter,
)
from fcplug.logs.streams import LineBytes, LineStream

_LOGGERS = ("fcplug", "fcplug.server", "fcplug.supervisor")
_FLUSH_TIMEOUT = 1.0  # seconds that logging handlers of user code have to flush at the end


def _print(lines: bytes) -> None:
    sys.stdout.write(lines.decode())
    sys.stdout.flush()


class _ProcessLog:
    """The replaced streams; a process has one standard output, and so one of these."""

    out: Output | None = None
    error: Output | None = None  # the same as ``out`` if both are one file
    write_lines: Callable[[bytes], None] = staticmethod(_print)  # of ``out``
    stdout: Any = None  # a LineStream
    stderr: Any = None
    dropped: int | None = None  # lines that were dropped before the stop

    @property
    def outputs(self) -> set[Output]:
        """The outputs, each once."""
        return {output for output in (self.out, self.error) if output}

    def start_in_child(self) -> None:
        """Make a forked child's outputs usable."""
        for output in self.outputs:
            output.start_in_child()


state = _ProcessLog()
"""Where the runtime's lines and everything that is printed go."""

os.register_at_fork(after_in_child=state.start_in_child)


def configure(
    style: Literal["text", "json"],
    level: str,
    blocked: Literal["wait", "drop"] = "wait",
    *,
    descriptors: tuple[int, int] = (1, 2),
) -> Callable[[], None]:
    """Send all log records and everything that is printed to standard output, line by line.

    The runtime's own lines and records arrive there even if user code replaces ``sys.stdout``,
    closes the descriptor, or configures logging. A second call replaces the first.

    Args:
        style: the format of records.
        level: the lowest level of records that are written.
        blocked: whether lines wait while the log is not read, or are dropped.
        descriptors: of standard output and standard error.

    Returns:
        A function that restores the streams and the loggers.
    """
    open_standard_descriptors()
    formatter = JsonFormatter() if style == "json" else TextFormatter()
    # on FC both are one file; one output for both keeps their lines apart
    numbers = descriptors[:1] if os.path.sameopenfile(*descriptors) else descriptors
    notice = functools.partial(_dropped_record, formatter)
    outputs = [Output(n, waits=blocked == "wait", dropped_notice=notice) for n in numbers]
    handler = RecordHandler(outputs[0], formatter)
    undo = contextlib.ExitStack()
    undo.callback(_replace_streams(outputs[0], outputs[-1]))
    undo.callback(take_loggers(handler, level))
    undo.callback(_root_restorer())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # it warns of each request that waits for a thread, which is normal
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return undo.close


def write(text: str, *, waits: bool = True) -> None:
    """Write whole lines at once; if ``waits`` is False, wait at most 0.1 s for the reader."""
    if state.out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        state.out.write(text.encode("utf-8", "backslashreplace"), waits=waits)


def descriptor() -> int:
    """Return the descriptor of the log, which only this process uses."""
    return 1 if state.out is None else state.out.descriptor


def open_standard_descriptors() -> None:
    """Open the standard descriptors that are closed, so that no file or socket gets their number.

    Child processes and code in other languages would print into it.
    """
    outputs = (None, state.out, state.error)
    for number, output in enumerate(outputs):
        try:
            os.get_inheritable(number)  # a tenth of the time of fstat
        except OSError:
            source = output.descriptor if output else os.open(os.devnull, os.O_RDWR)
            if source != number:
                os.dup2(source, number)
                if not output:
                    os.close(source)
            os.set_inheritable(number, True)


def write_status(text: str) -> None:
    """Write lines about the process itself; wait at most 0.1 s for the reader."""
    end_lines(None)
    write(text, waits=False)


def end_lines(invocation: object | None) -> None:
    """End the unfinished lines of an invocation, and of threads without one."""
    out, error = state.out, state.error
    if out is None or error is None:
        return
    if sys.stdout is not state.stdout and not _flush(sys.stdout):
        sys.stdout = state.stdout  # or no function could print
    if sys.stderr is not state.stderr and not _flush(sys.stderr):
        sys.stderr = state.stderr
    if out.unfinished:
        out.end_lines(invocation)
    if error.unfinished:
        error.end_lines(invocation)


def stop_waiting() -> None:
    """Stop waiting for the reader of the log, because the process stops."""
    state.dropped = _dropped()
    for output in state.outputs:
        output.stop_waiting()


def finish() -> int:
    """Write what is left at the end of the process, without waiting for a reader.

    Returns:
        How many lines were dropped since ``stop_waiting``, or earlier without a report in the log.
    """
    if state.dropped is None:
        stop_waiting()
    for output in state.outputs:
        output.end_all_lines()
    # in a thread: a handler of user code may wait for a lock that is never released
    flushing = threading.Thread(target=logging.shutdown, name="fcplug-flush", daemon=True)
    with contextlib.suppress(RuntimeError):  # the system has no thread left
        flushing.start()
        flushing.join(_FLUSH_TIMEOUT)
    notice = state.out.report_dropped() if state.out else b""
    if notice and state.error and state.error is not state.out:
        state.error.write(notice, waits=False)
    return _dropped() - (state.dropped or 0) or len(notice)


def _dropped() -> int:
    return sum(output.dropped for output in state.outputs)


def exchange_state(new: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the state of this module; return the previous one."""
    before = vars(state).copy()
    vars(state).clear()
    vars(state).update(new)
    return before


def take_loggers(handler: RecordHandler, level: str) -> Callable[[], None]:
    """Make the runtime's loggers write directly; return a function that restores them."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.__class__, vars(logger).copy()) for logger in loggers]
    for logger in loggers:
        logger.__class__ = RuntimeLogger
        vars(logger).update(output_handler=handler, min_level=logging.getLevelName(level))

    def undo() -> None:
        for logger, kind, attributes in before:
            logger.__class__ = kind
            for name in ("output_handler", "min_level"):
                vars(logger).pop(name)
                if name in attributes:
                    vars(logger)[name] = attributes[name]

    return undo


def _replace_streams(out: Output, error: Output) -> Callable[[], None]:
    """Replace the standard streams; return a function that restores them."""
    before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    stdout, stderr = LineStream(out, 1), LineStream(error, 2)
    streams = {"out": out, "error": error, "stdout": stdout, "stderr": stderr}
    logged = exchange_state({**streams, "write_lines": out.write_lines})
    # also __stdout__: code that replaced sys.stdout restores it from there
    sys.stdout, sys.stderr = stdout, stderr
    sys.__stdout__, sys.__stderr__ = stdout, stderr  # type: ignore[misc,assignment]

    def undo() -> None:
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        exchange_state(logged)
        for output in {out, error}:
            output.close()

    return undo


def _root_restorer() -> Callable[[], None]:
    """Return a function that restores the current handlers and level of the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def restore() -> None:
        root.handlers[:] = handlers
        root.setLevel(level)

    return restore


def _dropped_record(formatter: RecordFormatter, count: int) -> str:
    """Return the record that reports dropped lines, without a request id."""
    text = f"lines of the log dropped: {count}; it was not read, or could not be written"
    facts = {"name": "fcplug", "levelname": "WARNING", "levelno": logging.WARNING, "msg": text}
    record = logging.makeLogRecord(facts)
    return f"{contextvars.Context().run(formatter.format, record)}\n"


def _flush(stream: Any) -> bool:
    """Flush the object by which user code replaced a standard stream.

    Return False if no one can print to it: it is None, closed or detached.

    A wrapper of the stream's bytes buffers the text of all threads. From now on it passes on each
    text at once, so that lines do not mix.
    """
    if stream is None or _is_closed(stream):
        return False
    with contextlib.suppress(Exception):
        if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, LineBytes):
            stream.reconfigure(write_through=True)
        stream.flush()
    return True


def _is_closed(stream: Any) -> bool:
    try:
        return bool(getattr(stream, "closed", False))
    except ValueError:  # it was detached
        return True
