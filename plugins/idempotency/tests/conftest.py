"""What the tests share: servers of the stores, and instances in processes of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the compiled part of the SDK is for another Python
    import tablestore

PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


def wait_until(claim: Callable[[], object]) -> None:
    """Return once the claim holds."""
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)


class RedisServer:
    """A running ``redis-server``."""

    def __init__(self, program: str, folder: Path, password: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"redis://{password and f':{password}@'}127.0.0.1:{self.port}/0"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(folder),
             *(["--requirepass", password] if password else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self._answers)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "redis-server does not start"
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


Begin = Callable[..., RedisServer]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Begin]:
    """Return what starts a server; without the program the test is skipped, and fails in CI."""
    program = shutil.which("redis-server")
    if program is None:
        why = "this test needs the program redis-server"
        if os.environ.get("CI"):
            pytest.fail(f"{why}: .ci/run must install it")
        pytest.skip(why)
    started: list[RedisServer] = []

    def begin(password: str = "") -> RedisServer:
        started.append(RedisServer(program, tmp_path, password))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


class Tablestore:
    """The stand-in of Tablestore in a process of its own."""

    keys = ("STS.test-access-key-id", "test-access-key-secret", "test-security-token")

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("tablestore_stand_in.py")), *self.keys],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        self.endpoint = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        self.url = self.make_table("records")

    def client(self) -> Any:
        key_id, secret, token = self.keys
        return tablestore.OTSClient(self.endpoint, key_id, secret, "shop", sts_token=token)

    def make_table(self, name: str) -> str:
        """Make an empty table; return it as a store."""
        self.client().create_table(
            tablestore.TableMeta(name, [("key", "STRING")]),
            tablestore.TableOptions(),
            tablestore.ReservedThroughput(tablestore.CapacityUnit(0, 0)),
        )
        return f"tablestore+{self.endpoint}/{name}?instance=shop"

    def order(self, what: str) -> None:
        """Order faults of the next writes: ``fail/CODE/TIMES`` or ``drop/TIMES``."""
        with urllib.request.urlopen(f"{self.endpoint}/{what}", b"", timeout=PATIENCE):
            pass

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with urllib.request.urlopen(f"{self.endpoint}/rows", timeout=PATIENCE) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def service() -> Iterator[Tablestore]:
    """Return a stand-in of Tablestore for this test alone."""
    running = Tablestore()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def shared_service() -> Iterator[Tablestore]:
    """Return a stand-in of Tablestore for tests that have tables of their own."""
    running = Tablestore()
    yield running
    running.kill()


@pytest.fixture(params=["sqlite", "redis", "tablestore"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the setting of each kind of store, empty."""
    if request.param == "sqlite":
        return str(tmp_path / "records.db")
    if request.param == "tablestore":
        service: Tablestore = request.getfixturevalue("shared_service")
        return service.make_table(f"records_{uuid.uuid4().hex}")
    server: RedisServer = request.getfixturevalue("redis_server")()
    return server.url


KEYS = dict(
    zip(
        (
            f"ALIBABA_CLOUD_{name}"
            for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        ),
        Tablestore.keys,
        strict=True,
    )
)


class Instance:
    """A runtime in a process of its own."""

    def __init__(self, folder: Path, log: Path, under: Sequence[str]) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*under, sys.executable, "-m", "fcplug", "serve", "--port", "0", "--config",
                 str(folder / "functions.yaml")],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "FC_FUNC_CODE_PATH": str(folder), **KEYS},
            )  # fmt: skip
        self._port = ""
        wait_until(self._serves)

    def call(self, function: str, event: object) -> tuple[int, Any]:
        """Return status and document of an answer; status 0 if the process died."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/invoke",
            json.dumps(event).encode(),
            {"x-fc-function-name": function},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except (OSError, ValueError):
            return 0, None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _serves(self) -> bool:
        text = self._log.read_text()
        assert self.process.poll() is None, text
        found = re.search(r"on port (\d+) ", text)
        self._port = found[1] if found else ""
        return bool(found)


Start = Callable[..., Instance]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts an instance with this code and these functions, under a command."""
    started: list[Instance] = []

    def begin(code: str, functions: dict[str, Any], under: Sequence[str] = ()) -> Instance:
        (tmp_path / "shop.py").write_text(code)
        config = {"version": 1, "functions": functions}
        (tmp_path / "functions.yaml").write_text(json.dumps(config))
        started.append(Instance(tmp_path, tmp_path / f"instance-{len(started)}.log", under))
        return started[-1]

    yield begin
    for instance in started:
        instance.kill()
