"""A configuration as a target: its functions run in a process of their own, without a server."""

import contextlib
import os
import select
import shlex
import subprocess
import time
from typing import IO

import msgspec

from fcplug.errors import FcplugError
from fcplug.inspection.process import end_group, temporary_file
from fcplug.recording.child import Message
from fcplug.recording.record import Answer, Record, encode
from fcplug.recording.replay import Reply

_START = "import sys; sys.path.remove(''); from fcplug.recording.child import main; main()"
_TURN = 0.1  # seconds between looks at whether the process still runs
_END = 10.0  # seconds for the pre_stop hooks
_SHOWN = 2000  # bytes of the last output that a message has


class NotReplayable(FcplugError):  # noqa: N818 - it is reported, not caught
    """The functions of a configuration cannot be run."""


class Configured:
    """The functions of one configuration, run by one Python.

    A function that ends its process, or takes too long, is in the answer; the next request gets a
    new process.

    Args:
        config: the path of the configuration.
        python: the interpreter, with fcplug and the plugins installed.
        limit: seconds for one request.
    """

    def __init__(self, config: str, python: str, limit: float) -> None:
        self.name = config
        self._config = config
        self._python = python
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._buffer = b""

    def send(self, record: Record) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            NotReplayable: the process cannot be started, or the configuration has mistakes.
        """
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            process.stdin.write(encode(record))
            process.stdin.flush()
            message = self._message(process, self._limit)
        except BrokenPipeError:
            message = None
        except BaseException:  # such as Ctrl-C: nothing is left to be waited for
            self._process = None
            self._end(process)
            raise
        if message is None or message.answer is None:
            return Reply(self._broken(process))
        return Reply(message.answer, message.function, message.plugin)

    def close(self) -> None:
        """Run the pre_stop hooks and end the process."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END)
        self._end(process)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = self._start()
        return self._process

    def _start(self) -> "subprocess.Popen[bytes]":
        self._buffer = b""
        self._output = temporary_file()
        try:
            process = subprocess.Popen(  # noqa: S603 - the Python that was asked for
                [self._python, "-c", _START, os.path.abspath(self._config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                start_new_session=True,  # all that it starts is ended with it
            )
        except OSError as error:
            raise NotReplayable(f"{self._python} cannot be run: {error.strerror}") from None
        message = None
        try:
            message = self._message(process, self._limit)
        finally:
            if message is None or message.failure:
                self._end(process)
        if message is None:
            raise NotReplayable(f"{self._python} cannot run {self._config}: {self._last()}")
        if message.failure:
            raise NotReplayable(message.failure)
        return process

    def _message(self, process: "subprocess.Popen[bytes]", limit: float) -> Message | None:
        """Return the next message, None once the process has ended or takes too long."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        file, until = process.stdout.fileno(), time.monotonic() + limit
        parts = [self._buffer]
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([file], [], [], _TURN)
            if ready and (data := os.read(file, 1 << 20)):
                parts.append(data)
            elif ready or time.monotonic() > until:
                return None
        line, _, self._buffer = b"".join(parts).partition(b"\n")
        try:
            return msgspec.json.decode(line, type=Message)
        except msgspec.DecodeError:  # it is no Python, or a function has written there
            return None

    def _broken(self, process: "subprocess.Popen[bytes]") -> Answer:
        """Return the answer in place of one that did not come, and end the process."""
        self._process = None
        try:
            code: int | None = process.wait(_TURN)
        except subprocess.TimeoutExpired:
            code = None
        self._end(process)
        if code is None:
            return Answer(code="TimedOut", message=f"no answer in {self._limit:g} seconds")
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Answer(code="ProcessEnded", message=f"the function ended its process: {why}")

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        end_group(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _last(self) -> str:
        if self._output is None:
            return ""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - _SHOWN))
        text = self._output.read().decode("utf-8", "replace").strip()
        if text.startswith("Traceback"):  # of fcplug's own start
            text = text.splitlines()[-1]
            if "No module named 'fcplug" in text:
                command = shlex.join([self._python, "-m", "pip", "install", "fcplug[tools]"])
                text += f"\n  fix: {command}, and the plugins of this configuration"
        return text or "it did not start fcplug"
