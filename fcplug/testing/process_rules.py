"""The rules of a handler that are tried in processes of their own."""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

from fcplug.plugins import code_path
from fcplug.testing.web_requests import encoded

Broken = tuple[str, str, str]

_PROBE = "from fcplug.testing.probe import main; main()"
_START = 30.0  # seconds for a process to start, and to report
_FROZEN = 0.5  # seconds
_IMPORT = "its import changes nothing of the process"
_FREEZE = "it survives a freeze between two calls"
_CHANGES: Mapping[str, tuple[str, str]] = {
    "variables": (
        "changes environment variables: {}",
        "read the environment, and hand values on as arguments; all functions share it",
    ),
    "logging": (
        "configures logging: {}",
        "use logging.getLogger(__name__) and leave handlers and levels to the runtime",
    ),
    "folder": ("changes the working directory to {}", "use paths made from __file__"),
    "signals": (
        "replaces the handlers of signals: {}",
        "leave signals to the runtime; end what must end in the hook pre_stop",
    ),
    "streams": ("replaces {}", "print and log to what is there"),
    "printed": ("prints {}", "remove the print, or log it when a call comes"),
}


class Surroundings(NamedTuple):
    """What another process needs to import what this one can, as it is before any call."""

    path: list[str]
    variables: Mapping[str, str]
    folder: str
    limit: float

    @classmethod
    def now(cls, limit: float) -> "Surroundings":
        """Return those of this process; ``limit`` is in seconds, for each call."""
        path = [code_path.folder(os.environ), *map(os.path.abspath, sys.path)]
        return cls(path, {**os.environ, "PYTHONPATH": os.pathsep.join(path)}, os.getcwd(), limit)


class ProcessRules:
    """Tries a handler by its name in other processes, which have the surroundings given."""

    def __init__(
        self, name: str, around: Surroundings, events: list[Any], options: Mapping[str, Any]
    ) -> None:
        self._around = around
        self._request = {
            "path": around.path,
            "handler": name,
            "events": [base64.b64encode(encoded(event)).decode() for event in events],
            "options": {
                key: value
                for key, value in options.items()
                if key != "middleware" and not callable(value)  # objects of this process
            },
        }
        self._name = name

    @property
    def can_be_imported(self) -> bool:
        """Whether another process finds the module by its name."""
        top = self._name.partition(":")[0].partition(".")[0]
        is_entry_point = ":" not in self._name and "." not in self._name
        return is_entry_point or PathFinder.find_spec(top, self._around.path) is not None

    def import_changes_nothing(self) -> Iterator[Broken]:
        """Import it in a fresh interpreter, and compare that before and after."""
        with _Process({**self._request, "rule": "import"}, self._around) as process:
            report = process.report()
            printed = process.printed()
        if report is None:
            what = f"the import ends the process: {process.end()}"
            yield _IMPORT, what, "remove the exit; raise an exception for what is wrong"
            return
        if error := report.get("error"):
            what = f"in a fresh interpreter the import fails: {error}"
            yield _IMPORT, what, "import what it needs in its own modules"
        if printed:
            report["printed"] = repr(printed[:100])
        for key, (what, fix) in _CHANGES.items():
            if change := report.get(key):
                yield _IMPORT, f"the import {what.format(change)}", fix

    def survives_a_freeze(self) -> Iterator[Broken]:
        """Call it, stop its process for a while as FC does, and call it again."""
        with _Process({**self._request, "rule": "freeze"}, self._around) as process:
            before = process.report()
            if before is None or "error" in before:
                what = f"in a process of its own, the first call failed: {_why(before, process)}"
                yield _FREEZE, what, "make it work without what other tests have set up"
                return
            process.freeze(_FROZEN)
            after = process.report()
        if after is None or "error" in after:
            what = f"the call after the freeze failed: {_why(after, process)}"
            fix = "open connections again when they fail; rely on no thread or timer between calls"
            yield _FREEZE, what, fix


def _why(report: Mapping[str, Any] | None, process: "_Process") -> str:
    return process.end() if report is None else str(report["error"])


class _Process:
    """An interpreter that does what it is asked, and reports on a pipe of its own."""

    def __init__(self, request: Mapping[str, Any], around: Surroundings) -> None:
        self._request = request
        self._around = around
        self._limit = _START + around.limit
        self._late = False

    def __enter__(self) -> "_Process":
        self._reports, report = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-c", _PROBE, str(report)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(report,),
            env=self._around.variables,
            cwd=self._around.folder,
        )
        os.close(report)
        self._ask(json.dumps(self._request))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        os.close(self._reports)

    def report(self) -> dict[str, Any] | None:
        """Return the next report; None if the process has ended, or takes too long."""
        data = b""
        until = time.monotonic() + self._limit
        while not data.endswith(b"\n"):
            left = until - time.monotonic()
            if not select.select([self._reports], [], [], max(0.0, left))[0]:
                self._late = True
                return None
            chunk = os.read(self._reports, 65536)
            if not chunk:
                return None
            data += chunk
        report: dict[str, Any] = json.loads(data)
        return report

    def freeze(self, seconds: float) -> None:
        """Stop the process, let it go on, and ask for the next step."""
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        self._ask("")

    def printed(self) -> str:
        """Return what was written to standard output; the process ends with its report."""
        assert self._process.stdout  # noqa: S101 - a pipe
        return self._process.stdout.read().decode("utf-8", "replace").strip()

    def end(self) -> str:
        """Return why there is no report."""
        if self._late:
            return f"it did not answer within {self._limit:g} s"
        code = self._process.wait()  # its end of the pipe is closed
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _ask(self, line: str) -> None:
        assert self._process.stdin  # noqa: S101 - a pipe
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the report will be missing
