"""The process of an instance: its start, output, memory, freezing and end."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from fcplug.platform import processes
from fcplug.platform.guard import Guard
from fcplug.platform.model import FunctionConfig
from fcplug.platform.output import Output

_GRACE = 3.0  # seconds between SIGTERM and SIGKILL
_TREE_AGE = 1.0  # seconds that the list of processes is valid for


class InstanceProcess:
    """The start command of a function while it runs, with all that it starts.

    Attributes:
        exited: it has ended, and its output is complete.
    """

    def __init__(self, output: Output, guard: Guard, ended: Callable[[int], None]) -> None:
        self.exited = threading.Event()
        self._output = output
        self._guard = guard
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher = threading.Thread(target=self._watch, name="fcplug-platform-exit")
        self._watcher.daemon = True
        self._peak = 0.0
        self._tree: Sequence[processes.Process] = ()
        self._tree_age = 0.0

    @property
    def pid(self) -> int:
        """Its number; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def code(self) -> int:
        """Its exit code once it has ended, negative if a signal ended it."""
        code = self._process.returncode if self._process else None
        return code if code is not None else 0

    def start(self, function: FunctionConfig, variables: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            OSError: the system cannot run the command.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the configured command
                function.command,
                cwd=function.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=self._output.writer,
                stderr=self._output.writer,
                start_new_session=True,  # a group of its own, which ends with it
            )
        except OSError:
            self.exited.set()
            raise
        self._guard.add(self._process.pid)
        self._output.start()
        self._watcher.start()

    def freeze(self) -> None:
        """Stop all its processes, which then get no processor time."""
        processes.send(self._processes(0.0), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them continue."""
        processes.send(self._tree, signal.SIGCONT)

    def peak_memory(self) -> float:
        """Return the highest resident memory so far, of all its processes together, in MB."""
        if self.pid and not self.exited.is_set():
            self._peak = max(self._peak, processes.peak_memory(self._processes(_TREE_AGE)))
        return self._peak

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL for all that is left after three seconds."""
        if self._process is None:
            self._output.close()
            return
        if not self.exited.is_set():
            every = self._processes(0.0)
            self._process.terminate()
            self.exited.wait(_GRACE)
            processes.send(every, signal.SIGKILL)
        processes.send_group(self._process.pid, signal.SIGKILL)
        self._watcher.join()

    def _processes(self, age: float) -> Sequence[processes.Process]:
        now = time.monotonic()
        if now - self._tree_age >= age:
            self._tree, self._tree_age = processes.tree(self.pid), now
        return self._tree

    def _watch(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        code = self._process.wait()
        processes.send_group(self._process.pid, signal.SIGKILL)  # nothing of it outlives it
        processes.send(self._tree, signal.SIGKILL)
        self._guard.remove(self._process.pid)
        self._output.close()
        self._ended(code)
        self.exited.set()
