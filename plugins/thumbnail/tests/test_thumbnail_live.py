"""The package in a real instance: ``bootstrap``, HTTP, threads and a worker process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oss_support import event, picture

from local_oss import Account, LocalOSS, Stored

BOOTSTRAP = Path(__file__).parents[3] / "bootstrap"
PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


class Instance:
    """A running instance, its port and its log."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        (folder / "functions.yaml").write_text(json.dumps(config))
        self._log = folder / "instance.log"
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FC_", "FCPLUG_", "ALIBABA_"))
        }
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(BOOTSTRAP), "--port", "0", "--config", str(folder / "functions.yaml")],
                cwd=folder,
                env={**environ, "FCPLUG_PYTHON": sys.executable, "FC_REGION": "cn-hangzhou"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"on port (\d+) ", self.log)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)
        self._port = found[1]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(self, function: str, account: Account, sent: bytes) -> dict[str, Any]:
        """Return the document of an answer."""
        headers = {
            "x-fc-function-name": function,
            "x-fc-access-key-id": account.key_id,
            "x-fc-access-key-secret": account.secret,
            "x-fc-security-token": account.token,
            "x-fc-function-timeout": "60",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/invoke", sent, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                document: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                document = json.loads(error.read())
        return document

    def stop(self) -> int:
        """End it as FC does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture
def instance(oss: LocalOSS, tmp_path: Path) -> Iterator[Instance]:
    """Return an instance with a function on threads, and one in a worker process."""
    entry = {"handler": "thumbnail", "settings": {"endpoint": oss.url}}
    functions = {"threads": entry, "worker": {**entry, "isolation": "process", "workers": 1}}
    trusted = {"trust_callers": True}  # as on FC, where only FC can call
    config = {"version": 1, "runtime": trusted, "functions": functions}
    running = Instance(tmp_path, config)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def test_a_real_instance_uses_the_credentials_of_each_call(
    instance: Instance, oss: LocalOSS
) -> None:
    people = [oss.add(name) for name in ("ada", "bob", "eve")]
    people[2].allowed = ()
    for person in people:
        oss.objects[f"photos/{person.key_id}.jpg"] = Stored(picture(60, 40))
    jobs = [(function, person) for function in ("threads", "worker") for person in people] * 4
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(
                lambda job: instance.call(job[0], job[1], event(f"{job[1].key_id}.jpg")), jobs
            )
        )
    for (_, person), answer in zip(jobs, answers, strict=True):
        url = f"oss://photos/{person.key_id}.jpg"
        if person is people[2]:
            assert answer["errorType"] == "AccessDenied"
        else:
            assert answer["written"][0]["thumbnail"] == f"{url}.thumb.jpg"
    for seen in oss.seen:
        owner = re.match(r"/photos/(.*?)\.jpg", seen.path)
        assert owner
        assert owner[1] == seen.key_id
    for _ in range(2):
        padded = json.loads(event(f"{people[0].key_id}.jpg"))
        padded["padding"] = "x" * 16 * 1024 * 1024
        assert "written" in instance.call("threads", people[0], json.dumps(padded).encode())
    assert instance.stop() == 0
    log = instance.log
    assert not [each for person in people for each in (person.secret, person.token) if each in log]
