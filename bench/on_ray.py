"""Measure calls a second on a Ray cluster of this machine beside one ``fcplug serve``.

``python bench/on_ray.py [ROUNDS]`` runs both with the same two functions: ``quick`` returns its
event, and ``slow`` computes in Python for about 20 ms. On Ray each function has a replica for each
processor. They take turns under the load of the same client, on the same processors, and the
figures are medians of the rounds. The module is not called ``ray``, which is a name of a package.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

CLIENT = Path(__file__).with_name("client.py")
FUNCTIONS = ("quick", "slow")
CONNECTIONS = (1, 16)
SECONDS = 3.0  # of one load
PATIENCE = 120.0  # seconds
CODE = """\
def quick(event, context):
    return event

def slow(event, context):
    total = 0
    for number in range(400_000):
        total += number
    return str(total)
"""


class Figures(NamedTuple):
    """Answers a second, and the median time of one, in milliseconds."""

    rate: float
    time: float


@contextmanager
def serving(folder: Path, *command: str, ready: str) -> Iterator[int]:
    """Run a command of fcplug over the functions until it says that it serves; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    log = folder / f"{command[0]}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", *command, "--port", str(port)],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE
        while not re.search(ready, log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def load(folder: Path, port: int, function: str, connections: int) -> Figures:
    """Return what the client measures under load."""
    request = folder / "request"
    request.write_text(
        "POST /invoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        f"x-fc-function-name: {function}\r\n\r\nAda",
        newline="",
    )
    done = subprocess.run(
        [sys.executable, str(CLIENT), str(port), str(connections), str(SECONDS), str(request)],
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert not found["failed"], found
    return Figures(found["requests"] / found["seconds"], found["p50"] * 1000)


def main(rounds: str = "5") -> None:
    replicas = os.cpu_count() or 1
    found: dict[tuple[str, str, int], list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config").mkdir()
        (folder / "index.py").write_text(CODE)
        (folder / "config" / "functions.yaml").write_text(
            "version: 1\n"
            f"defaults: {{scale: {{replicas: {replicas}}}}}\n"
            "functions:\n" + "".join(f"  {each}: {{handler: index.{each}}}\n" for each in FUNCTIONS)
        )
        with (
            serving(folder, "serve", "--host", "127.0.0.1", ready=r"(?m)^try: ") as one,
            serving(folder, "ray", ready=r"(?m)^try: ") as cluster,
        ):
            ports = {"one process": one, "Ray": cluster}
            for _ in range(int(rounds)):
                for function in FUNCTIONS:
                    for connections in CONNECTIONS:
                        for who, port in ports.items():
                            figures = load(folder, port, function, connections)
                            found.setdefault((who, function, connections), []).append(figures)
    print(f"{replicas} replicas of each function on {replicas} processors")
    for (who, function, connections), each in sorted(found.items(), key=lambda item: item[0][1:]):
        rate, taken = (statistics.median(values) for values in zip(*each, strict=True))
        print(f"{function:6} {connections:3} connections  {who:12} {rate:8.0f} /s {taken:8.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
