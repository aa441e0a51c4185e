"""Whether the process of an instance may get calls: its port, and FC's health check by HTTP."""

import http.client
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

from fcplug.errors import quantity
from fcplug.platform import failures
from fcplug.platform.model import FunctionConfig, HealthCheck
from fcplug.platform.output import Output
from fcplug.platform.ports import listens
from fcplug.platform.process import InstanceProcess

_HEALTHY = range(200, 400)


class Readiness:
    """Waits for a process to become ready, and then looks whether it stays so.

    Args:
        step: notes a step in the life of the instance.
    """

    def __init__(
        self,
        function: FunctionConfig,
        port: int,
        process: InstanceProcess,
        output: Output,
        step: Callable[[str], None],
    ) -> None:
        self._function = function
        self._port = port
        self._process = process
        self._output = output
        self._step = step
        self._ended = threading.Event()

    def await_port(self) -> None:
        """Wait until the process listens.

        Raises:
            StartFailed: it ended, or did not listen in time.
        """
        deadline = time.monotonic() + self._function.startup_timeout
        pause = 0.005
        while not listens("127.0.0.1", self._port):
            self._wait(pause)
            if time.monotonic() > deadline:
                raise failures.StartFailed(
                    failures.never_listened(self._function, self._port, self._output.last)
                )
            pause = min(pause * 1.2, 0.05)
        self._step("listens")
        asked = "127.0.0.1" in self._function.command  # the start command names it on purpose
        if sys.platform == "linux" and not asked and not listens("127.0.0.2", self._port):
            self._step("listens on 127.0.0.1 only: Function Compute needs 0.0.0.0")

    def await_health(self) -> None:
        """Wait until as many health checks in a row have succeeded as the function asks for.

        Raises:
            StartFailed: the process ended, or too many have failed.
        """
        check = self._function.health_check
        if check is None:
            return
        self._wait(check.initial_delay)
        begun, good, bad = time.monotonic(), 0, 0
        while good < check.success_threshold:
            why = self._failure(check)
            good, bad = (0, bad + 1) if why else (good + 1, 0)
            if why:
                self._step(f"health check failed: {why}")
            if bad >= check.failure_threshold:
                seconds = round(time.monotonic() - begun)
                log = self._output.last
                raise failures.StartFailed(
                    failures.unhealthy(self._port, seconds, f"GET {check.path}: {why}", log)
                )
            if good < check.success_threshold:
                self._wait(check.period)
        self._step(f"healthy: GET {check.path}")

    def watch(self, resting: Callable[[], bool], unhealthy: Callable[[], None]) -> None:
        """Go on with the checks in a thread of its own until ``close``.

        ``resting``: whether the processes are frozen now. ``unhealthy`` is called once too many
        checks in a row have failed.
        """
        check = self._function.health_check
        if check is None:
            return

        def look() -> None:
            bad = 0
            while not self._ended.wait(check.period) and not self._process.exited.is_set():
                why = "" if resting() else self._failure(check)
                bad = bad + 1 if why else 0
                if why:
                    self._step(f"health check failed: {why}")
                if bad >= check.failure_threshold:
                    unhealthy()
                    return

        threading.Thread(target=look, name="fcplug-health", daemon=True).start()

    def close(self) -> None:
        """Check no more."""
        self._ended.set()

    def _wait(self, seconds: float) -> None:
        """Wait, unless the process ends.

        Raises:
            StartFailed: it does.
        """
        if self._process.exited.wait(seconds):
            raise failures.StartFailed(
                failures.exited(self._function, self._process.code, self._output.last)
            )

    def _failure(self, check: HealthCheck) -> str:
        """Return why a check fails, empty if it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=check.timeout)
        with closing(connection):
            try:
                connection.request("GET", check.path)
                status = connection.getresponse().status
            except TimeoutError:
                return f"no answer in {quantity(check.timeout, 'second')}"
            except (OSError, ValueError, http.client.HTTPException) as error:
                return str(error) or type(error).__name__
        return "" if status in _HEALTHY else f"status {status}"
