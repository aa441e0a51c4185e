"""``fcplug ray`` over a cluster of three nodes: the processes, the log of all replicas, calls."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from support.commands import unmeasured
from support.conformance import Call
from support.deployed import Answer, free_port
from support.waiting import PATIENCE, wait_until

_NODES = Path(__file__).with_name("ray_nodes.py")
_READY = r"(?m)^serving \d+ function"
_START = 240.0  # seconds; a dozen processes import Ray at once


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

    def wait_to_say(self, pattern: str, after: int = 0, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the command has printed a match, after so many characters."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            assert self.process.poll() is None, self.said
            if match := re.search(pattern, self.said[after:]):
                found.append(match)
            return bool(found)

        try:
            wait_until(look, seconds)
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

    def send(self, call: Call) -> Answer:
        """Send one request; what Ray's own proxy adds to an answer is left out."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(call.method, call.path, call.body, dict(call.headers))
            response = connection.getresponse()
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
        self.join(90)
        assert not self.is_alive(), f"no answer to {self.event}"
        return self.answer


@contextlib.contextmanager
def nodes(environ: Mapping[str, str]) -> Iterator[Nodes]:
    """Start three nodes whose processes have an environment; end them on the way out."""
    # measuring would slow the start of each of the many processes of a cluster
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, str(_NODES)],
        env=unmeasured(**quiet, **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        yield Nodes(process, facts["address"], Path(facts["logs"]))
    finally:
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the session that was started above
            process.wait()


@contextlib.contextmanager
def on_ray(code: Path, cluster: Nodes, environ: Mapping[str, str]) -> Iterator[OnRay]:
    """Run ``fcplug ray`` in a code folder until it serves; end it on the way out."""
    port = free_port()
    command = [sys.executable, "-m", "fcplug", "ray", "--address", cluster.address]
    with (code / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--head-only"],
            cwd=code,
            env=unmeasured(**environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    served = OnRay(code, cluster, process, port)
    try:
        served.wait_to_say(_READY, seconds=_START)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
