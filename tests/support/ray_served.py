"""``fcplug ray`` over a cluster of three nodes: the processes, the log of all replicas, calls."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from support.commands import unmeasured
from support.conformance import Call
from support.deployed import Answer, free_port
from support.waiting import wait_until

_NODES = Path(__file__).with_name("ray_nodes.py")
_READY = r"(?m)^serving \d+ function"
PATIENCE = 240.0  # seconds; a dozen processes import Ray at once
_STARTS = 3  # attempts: a node of Ray ends itself if a part of it takes 15 seconds to start
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}


class Nodes(NamedTuple):
    """The process that has the nodes, the address of the cluster and the folder of its logs."""

    process: "subprocess.Popen[str]"
    address: str
    logs: Path

    def remove(self, name: str) -> None:
        """End a node as if its machine were lost."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"remove {name}\n")
        self.process.stdin.flush()
        assert json.loads(self.process.stdout.readline()) == {"removed": name}


class OnRay:
    """A configuration that a cluster serves."""

    def __init__(
        self, code: Path, nodes: Nodes, process: "subprocess.Popen[bytes]", port: int
    ) -> None:
        self.code = code
        self.nodes = nodes
        self.process = process
        self.port = port
        self._read: dict[Path, int] = {}
        self._log = ""

    @property
    def said(self) -> str:
        """What the command has printed, with the lines of the replicas that Ray brings it."""
        return (self.code / "out").read_text()

    @property
    def log(self) -> str:
        """What all processes of the cluster have written to standard output so far."""
        for file in sorted(self.nodes.logs.glob("worker-*.out")):
            with file.open("rb") as stream:
                stream.seek(self._read.get(file, 0))
                new = stream.read()
            self._read[file] = self._read.get(file, 0) + len(new)
            lines = new.decode("utf-8", "surrogateescape").splitlines(keepends=True)
            self._log += "".join(line for line in lines if not line.startswith((":actor", ":job")))
        return self._log

    def wait_to_say(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait until the command has printed a match, after so many characters."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            assert self.process.poll() is None, self.said
            if match := re.search(pattern, self.said[after:]):
                found.append(match)
            return bool(found)

        try:
            wait_until(look, PATIENCE)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} in:\n{self.said[after:]}") from None
        return found[0]

    def edit(self, old: str, new: str) -> int:
        """Replace a text of the configuration; return how much was printed before."""
        file = self.code / "config" / "functions.yaml"
        text = file.read_text()
        assert text.count(old) == 1, old
        before = len(self.said)
        file.with_suffix(".new").write_text(text.replace(old, new))
        file.with_suffix(".new").rename(file)
        return before

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask the command to end, if it runs; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def send(self, call: Call) -> Answer:
        """Send one request; what Ray's own proxy adds to an answer is left out."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as link:
            link.request(call.method, call.path, call.body, dict(call.headers))
            response = link.getresponse()
            fields = {name.lower(): value for name, value in response.headers.items()}
            if fields.get("server") == "uvicorn":
                del fields["server"]
            return Answer(response.status, fields, response.read())

    def invoke(self, function: str, event: str = "", **headers: str) -> Answer:
        """Invoke a function."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"x-fc-function-name": function, **fields}
        return self.send(Call(function, event.encode(), headers=sent))

    def ask(self, function: str, event: str = "", **headers: str) -> Any:
        """Invoke a function that must answer with JSON, and return that."""
        answer = self.invoke(function, event, **headers)
        assert answer.status == 200, answer
        return json.loads(answer.body)


class Later(threading.Thread):
    """A call on a thread of its own; ``answer`` is what came, or why nothing did."""

    def __init__(self, served: OnRay, function: str, event: str) -> None:
        super().__init__()
        self.event = event
        self.answer: Answer | Exception | None = None
        self._served = served
        self._function = function
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._served.invoke(self._function, self.event)
        except (OSError, HTTPException) as error:
            self.answer = error

    def result(self) -> Answer | Exception | None:
        self.join(PATIENCE)
        assert not self.is_alive(), f"no answer to {self.event}"
        return self.answer


def entries(application: str) -> list[int]:
    """Return the process ids of an application's entries."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if process.read_bytes().startswith(f"ray::ServeReplica:{application}:@entry".encode()):
                found.append(int(process.parent.name))
    return sorted(found)


@contextlib.contextmanager
def nodes(environ: Mapping[str, str]) -> Iterator[Nodes]:
    """Start three nodes whose processes have an environment; end them on the way out."""
    for _ in range(_STARTS):
        process = _start_nodes(environ)
        try:
            assert process.stdout is not None
            if line := process.stdout.readline():
                facts = json.loads(line)
                yield Nodes(process, facts["address"], Path(facts["logs"]))
                return
        finally:
            _end_nodes(process)
    raise AssertionError(f"Ray has not started in {_STARTS} attempts")


def _start_nodes(environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    # measuring would slow the start of each of the many processes of a cluster
    quiet = {"PYTHONWARNINGS": "ignore", "RAY_raylet_start_wait_time_s": "60", **_QUIET}
    return subprocess.Popen(
        [sys.executable, str(_NODES)],
        env=unmeasured(**quiet, **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _end_nodes(process: "subprocess.Popen[str]") -> None:
    for pipe in filter(None, (process.stdin, process.stdout)):
        pipe.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the session that was started above
        process.wait()


@contextlib.contextmanager
def on_ray(code: Path, cluster: Nodes, environ: Mapping[str, str]) -> Iterator[OnRay]:
    """Run ``fcplug ray``, with two entries, in a code folder until it serves; then end it."""
    port = free_port()
    command = [sys.executable, "-m", "fcplug", "ray", "config/functions.yaml", "--entries", "2"]
    command += ["--address", cluster.address, "--port", str(port), "--head-only"]
    served = OnRay(code, cluster, _start(command, code, environ), port)
    try:
        served.wait_to_say(_READY)
        yield served
    finally:
        served.end()


@contextlib.contextmanager
def by_serve_run(code: Path, cluster: Nodes, port: int, *arguments: str) -> Iterator[OnRay]:
    """Run Ray's own ``serve run`` in a folder until requests are taken; end it on the way out."""
    script = "import sys; from ray.serve.scripts import cli; sys.exit(cli())"
    command = [sys.executable, "-c", script, "run", "--address", cluster.address, *arguments]
    served = OnRay(code, cluster, _start(command, code, _QUIET), port)

    def is_up() -> bool:
        assert served.process.poll() is None, served.said
        with contextlib.suppress(OSError, HTTPException):
            return served.send(Call("", method="GET", path="/health")).body == b"ok\n"
        return False

    try:
        wait_until(is_up, PATIENCE)
        yield served
    finally:
        served.end(signal.SIGINT)


def _start(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    with (folder / "out").open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=unmeasured(**environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
