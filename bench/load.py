"""Load on a server, by wrk if it is installed, else by this bench's own client."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from family import on_processors
from request import Request

_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format(
    '\\n{"requests": %d, "failed": %d, "seconds": %f, "p50": %f, "p99": %f}\\n',
    summary.requests, failed, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


_MAX_FAILED = 0.001  # of all requests: some servers drop a connection sometimes


class LoadError(Exception):
    """A load failed, or too many of its requests did."""


@dataclass(frozen=True)
class Outcome:
    """The figures that clients measured; times in seconds."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Return the requests per second."""
        return self.requests / self.seconds


def tool() -> str:
    """Return the name and version of the tool that makes the load."""
    if path := shutil.which("wrk"):
        done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False, timeout=20)
        return " ".join((done.stdout or done.stderr).split()[:2])
    return "the bench's own client (wrk is not installed; this client uses more processor time)"


def load(
    port: int, request: Request, *, connections: int, seconds: int, processors: set[int]
) -> Outcome:
    """Keep one request in flight on each connection, and return the figures.

    Raises:
        LoadError: no request succeeded, or more than one in a thousand failed.
    """
    wrk = shutil.which("wrk")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if wrk:
            script = Path(folder) / "request.lua"
            script.write_text(request.lua + _DONE)
            command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script)]
            command.append(f"http://127.0.0.1:{port}{request.path}")
        else:
            raw = Path(folder) / "request"
            raw.write_bytes(request.raw)
            client = str(Path(__file__).parent / "client.py")
            command = [sys.executable, client, str(port), str(connections), str(seconds), str(raw)]
        outcome = Outcome(**json.loads(_last_line(command, seconds + 60, processors)))
    if outcome.failed > outcome.requests * _MAX_FAILED:
        raise LoadError(f"{outcome.failed} requests failed, {outcome.requests} were answered")
    if not outcome.requests:
        raise LoadError(f"no answer in {seconds} s")
    return outcome


def _last_line(command: list[str], timeout: float, processors: set[int]) -> str:
    with on_processors(processors):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=timeout
            )
        except subprocess.CalledProcessError as error:
            raise LoadError(f"{command[0]}: {error.stderr[-500:]}") from None
        except subprocess.TimeoutExpired:
            raise LoadError(f"{command[0]} did not end in {timeout:.0f} s") from None
    return done.stdout.rstrip().rpartition("\n")[2]
