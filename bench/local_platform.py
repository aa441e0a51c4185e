"""Measure what the local platform adds to a call, and how many asynchronous calls it does.

``python bench/local_platform.py [ROUNDS]`` runs ``fcplug dev`` with one function. Over one
connection each, it calls the function through the platform and directly at the port of its
instance, in turns. Then it queues asynchronous calls and waits until all are done: through
``fcplug dev``, and with the queue alone, whose calls are answered at once. Its figures are medians
of the rounds. The module is not called ``platform``, which is a name of the standard library.
"""

import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.emulator import Emulator
from fcplug.platform.model import Call, Client, FunctionConfig, Outcome
from fcplug.platform.task import TaskState

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "version: 1\nfunctions:\n  hello: {handler: index.handle}\n"
CODE = "def handle(event, context):\n    return event\n"
S_YAML = """\
edition: 3.0.0
resources:
  hello:
    component: fc3
    props: {functionName: hello, runtime: custom.debian12, instanceConcurrency: 16}
"""
INVOKE = "/2023-03-30/functions/hello/invocations"
EVENT = b"x" * 256
SENDERS = 4  # connections that queue asynchronous calls
PATIENCE = 120.0  # seconds


class Plan(NamedTuple):
    """How much is measured: rounds, calls of a round each way, asynchronous calls of a round."""

    rounds: int = 9
    calls: int = 200
    queued: int = 1000


class Figures(NamedTuple):
    """Medians: milliseconds of one call, and asynchronous calls done each second."""

    direct: float
    through: float
    added: float
    queue_alone: float
    done: float


class Answering(Emulator):
    """A platform whose functions answer at once."""

    def invoke(self, call: Call, client: Client | None = None) -> Outcome:  # noqa: ARG002
        return Outcome(body=call.payload)


class Dev(NamedTuple):
    """A running ``fcplug dev``: its port, that of the instance, and the file of the queue."""

    port: int
    instance: int
    queue: Path


@contextmanager
def dev() -> Iterator[Dev]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        (home / "config").mkdir(parents=True)
        shutil.copy(ROOT / "bootstrap", home)
        (home / "config" / "functions.yaml").write_text(CONFIG)
        (home / "index.py").write_text(CODE)
        (home / "s.yaml").write_text(S_YAML)
        log = home / "dev.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "fcplug", "dev", "--port", "0", "--no-reload"],
                cwd=home,
                env={**os.environ, "TMPDIR": folder},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            port = int(find(log, r"fcplug dev: http://127\.0\.0\.1:(\d+)"))
            with closing(HTTPConnection("127.0.0.1", port)) as connection:
                call(connection, INVOKE, {})
            instance = int(find(log, r"fcplug .* on port (\d+) "))
            (queue,) = Path(folder).glob("fcplug-*/*.sqlite")
            yield Dev(port, instance, queue)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def find(log: Path, pattern: str) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if match := re.search(pattern, log.read_text()):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in {log.read_text()}")


def call(connection: HTTPConnection, path: str, headers: dict[str, str], status: int = 200) -> None:
    connection.request("POST", path, EVENT, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == status, answer.status


def milliseconds(port: int, path: str, headers: dict[str, str], count: int) -> float:
    """Return the median time of a call over one connection."""
    times = []
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        call(connection, path, headers)
        for _ in range(count):
            begun = time.perf_counter()
            call(connection, path, headers)
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def queued_through(dev: Dev, count: int) -> float:
    """Return how many asynchronous calls a second are accepted by the API and done."""
    before = ended(dev.queue)
    begun = time.perf_counter()

    def send() -> None:
        with closing(HTTPConnection("127.0.0.1", dev.port)) as connection:
            for _ in range(count // SENDERS):
                call(connection, INVOKE, {"x-fc-invocation-type": "Async"}, 202)

    together(send)
    while ended(dev.queue) - before < count // SENDERS * SENDERS:
        assert time.perf_counter() - begun < PATIENCE
        time.sleep(0.005)
    return count / (time.perf_counter() - begun)


def queued_alone(count: int) -> float:
    """Return how many calls a second a queue accepts and does that are answered at once."""
    function = FunctionConfig(name="hello", folder=ROOT, max_instances=64)
    numbers = iter(range(count))
    with tempfile.TemporaryDirectory() as folder, Answering([function]) as platform:
        queue = AsyncQueue(platform, Path(folder, "queue.sqlite"))
        begun = time.perf_counter()

        def send() -> None:
            for number in numbers:
                queue.accept(Call(function="hello", request_id=f"r-{number}", payload=EVENT))

        together(send)
        while queue.tasks.counts().get(TaskState.SUCCEEDED, 0) < count:
            time.sleep(0.005)
        spent = time.perf_counter() - begun
        queue.close()
    return count / spent


def together(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ended(queue: Path) -> int:
    with closing(sqlite3.connect(f"file:{queue}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM tasks WHERE ended IS NOT NULL").fetchone()
        return int(count)


def measure(plan: Plan) -> Figures:
    rounds: list[Figures] = []
    with dev() as running:
        for _ in range(plan.rounds):
            own = {"x-fc-function-name": "hello", "x-fc-control-path": "/invoke"}
            direct = milliseconds(running.instance, "/invoke", own, plan.calls)
            through = milliseconds(running.port, INVOKE, {}, plan.calls)
            rounds.append(
                Figures(
                    direct,
                    through,
                    through - direct,
                    queued_alone(plan.queued),
                    queued_through(running, plan.queued),
                )
            )
    return Figures(*map(statistics.median, zip(*rounds, strict=True)))


def main(rounds: str = "9") -> None:
    found = measure(Plan(rounds=int(rounds)))
    print(f"a call directly at the instance     {found.direct:8.2f} ms")
    print(f"a call through the platform         {found.through:8.2f} ms")
    print(f"added by the platform               {found.added:8.2f} ms   (aim 1.5)")
    print(f"asynchronous calls, the queue alone {found.queue_alone:8.0f} /s   (aim 1000)")
    print(f"asynchronous calls, through the API {found.done:8.0f} /s")


if __name__ == "__main__":
    main(*sys.argv[1:])
