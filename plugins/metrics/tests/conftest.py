"""What the tests share: instances of the runtime, and the page as Prometheus reads it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


def wait_until(claim: Callable[[], object]) -> None:
    """Return once the claim holds."""
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)


def _place(labels: dict[str, str]) -> Callable[[str], int]:
    """Return the order of the values of labels: ours first, as they are named in the code."""
    ours = [labels[name] for name in ("function", "kind", "error") if name in labels]
    return lambda value: ours.index(value) if value in ours else len(ours)


class Reply(NamedTuple):
    """What an instance answered, and how long that took in seconds."""

    status: int
    body: bytes
    seconds: float


class Instance:
    """A runtime in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = int(self.wait_for(r"on port (\d+) ")[1])
        self.wait_for("try: |no function could be loaded")

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "surrogateescape")

    def wait_for(self, pattern: str) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def look() -> bool:
            assert self.process.poll() is None, self.log
            found.extend(re.finditer(pattern, self.log))
            return bool(found)

        wait_until(look)
        return found[0]

    def call(self, path: str, body: bytes | None = b"", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, sent)
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Reply(answer.status, answer.read(), time.monotonic() - begun)
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), time.monotonic() - begun)

    def invoke(self, function: str, event: bytes = b"", **headers: str) -> Reply:
        return self.call("/invoke", event, x_fc_function_name=function, **headers)

    def metrics(self, path: str = "/metrics") -> dict[tuple[str, ...], float]:
        """Return the samples of the page, by their name, function, kind and error."""
        page = self.call(path, None)
        assert page.status == 200, page.body
        return {
            (sample.name, *sorted(sample.labels.values(), key=_place(sample.labels))): sample.value
            for family in text_string_to_metric_families(page.body.decode())
            for sample in family.samples
        }

    def total(self, name: str, *labels: str) -> float:
        """Return the sum of the samples of a name that have all these values as labels."""
        return sum(
            value
            for (found, *values), value in self.metrics().items()
            if found == name and {*labels} <= {*values}
        )

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


Start = Callable[..., Instance]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts an instance: ``start(code, functions, metrics=settings, **runtime)``."""
    with _instances(tmp_path) as begin:
        yield begin


@contextmanager
def _instances(folder: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        code: str,
        functions: dict[str, Any],
        *,
        metrics: dict[str, Any] | None = None,
        environ: dict[str, str] | None = None,
        under: Sequence[str] = (),
        **runtime: Any,
    ) -> Instance:
        observer = {"name": "metrics", "settings": metrics} if metrics else "metrics"
        document = {
            "version": 1,
            "runtime": {"observers": [observer], **runtime},
            "functions": functions,
        }
        (folder / "app.py").write_text(code)
        (folder / "functions.yaml").write_text(json.dumps(document))
        log = folder / f"log{len(started)}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*under, sys.executable, "-m", "fcplug", "serve", "--port", "0", "--config",
                 str(folder / "functions.yaml")],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "FC_FUNC_CODE_PATH": str(folder),
                     **(environ or {})},
            )  # fmt: skip
        started.append(process)
        return Instance(process, log)

    try:
        yield begin
    finally:
        for process in started:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Return what waits until a claim holds."""
    return wait_until
