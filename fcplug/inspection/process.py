"""Author code run in a process of its own, whatever it does there: print, exit, hang or crash."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple

from fcplug.errors import OutputError

_START = (
    "import sys; sys.path[:] = sys.argv[3:]{}; from fcplug.inspection import child; child.main()"
)
_TURN = 0.1  # seconds between looks at whether the process still runs
_LAST_STEP = 1.0  # seconds that it has to end by itself after its last report


Progress = Callable[[int, int, str], None]
"""Called with how many items are done, how many there are, and the name of the next one."""


class Interpreter(NamedTuple):
    """A Python that runs author code, instead of this one.

    Attributes:
        path: where it finds fcplug and the plugins; its standard library comes after these folders,
            and no other packages of its own.
        environ: its environment.
        folder: its working directory.
    """

    python: str
    path: tuple[str, ...]
    environ: Mapping[str, str]
    folder: str

    def command(self) -> list[str]:
        """Return the command that starts it, without its arguments."""
        return [self.python, "-S", "-s", "-B", "-c", _START.format(" + sys.path")]


class Report(NamedTuple):
    """What became of one item.

    Attributes:
        answer: what the task returned; empty if it did not.
        output: what the process printed meanwhile.
        failure: how the process ended while it worked on the item, empty if it did not.
    """

    item: str
    answer: Mapping[str, Any]
    output: str
    failure: str = ""


def reports(
    task: str,
    items: Sequence[str],
    job: Mapping[str, Any],
    *,
    limit: float,
    interpreter: Interpreter | None = None,
) -> Iterator[Report]:
    """Work on items one after the other in a child process, and yield what became of each.

    An item that ends the process, or takes too long, is reported; another process goes on with the
    next one. Nothing that the child started outlives this.

    Args:
        task: a function of ``fcplug.inspection.tasks`` by its name.
        items: what it is called with, one by one.
        job: what it is made of; must be possible to write as JSON.
        limit: seconds that one item may take.
        interpreter: runs the child; without one, this Python with what this process finds.
    """
    waiting = list(items)
    while waiting:
        with _Child({"task": task, "items": waiting, **job}, interpreter) as child:
            for report in child.reports(waiting[0], limit):
                waiting.remove(report.item)
                yield report


class _Child:
    """A process that works on the items of one job."""

    def __init__(self, job: Mapping[str, Any], other: Interpreter | None) -> None:
        self._output = temporary_file()
        self._read, write = os.pipe()
        self._buffer = b""
        with temporary_file() as given:
            given.write(json.dumps(job).encode())
            given.seek(0)
            descriptors = map(str, (given.fileno(), write))
            # it finds nothing of the author's before it needs that
            command = other.command() if other else [sys.executable, "-c", _START.format("")]
            self._process = subprocess.Popen(  # noqa: S603 - an interpreter
                [*command, *descriptors, *(other.path if other else sys.path)],
                env=other and dict(other.environ),
                cwd=other and other.folder,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=(given.fileno(), write),
                start_new_session=True,  # all that it starts is ended with it
            )
        os.close(write)

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        end_group(self._process)
        os.close(self._read)
        self._output.close()

    def reports(self, item: str, limit: float) -> Iterator[Report]:
        """Yield a report for each item until the process has ended; ``item`` is the first."""
        seen = 0
        while (message := self._message(limit)) is not None:
            if "end" in message:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_LAST_STEP)
                return
            if "begin" in message:
                item = message["begin"]
                continue
            yield Report(item, message["answer"], self._printed(seen, message["printed"]))
            seen = message["printed"]
        yield Report(item, {}, self._printed(seen, None), self._ended(limit))

    def _message(self, limit: float) -> dict[str, Any] | None:
        """Return the next message, None once the process has ended or takes too long."""
        until = time.monotonic() + limit
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], _TURN)
            if ready and (data := os.read(self._read, 1 << 16)):
                self._buffer += data
            elif ready or self._process.poll() is not None or time.monotonic() > until:
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _printed(self, begin: int, end: int | None) -> str:
        self._output.seek(begin)
        return self._output.read(-1 if end is None else end - begin).decode("utf-8", "replace")

    def _ended(self, limit: float) -> str:
        try:
            code = self._process.wait(_TURN)
        except subprocess.TimeoutExpired:
            return f"it took longer than {limit:g} seconds"
        if code < 0:
            return f"it ended the process: {_signal_name(-code)}"
        return f"it ended the process with exit code {code}"


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a session, and all that it has started there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def temporary_file() -> IO[bytes]:
    """Return a new file without a name.

    Raises:
        OutputError: no folder has room for one.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        what = error.strerror or str(error)
        raise OutputError("a temporary file", what, "set TMPDIR to a folder with room") from None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
