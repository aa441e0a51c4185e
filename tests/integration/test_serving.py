"""A whole instance with real clients: concurrency, big events, connections, failing plugins."""

import contextlib
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start
from support.waiting import wait_until

MIB = 1024 * 1024

CONFIG = """\
version: 1
runtime: {threads: 14}
functions:
  alpha: {handler: shop.alpha}
  beta: {handler: shop.beta}
  gamma: {handler: shop.Gamma}
  waiting: {handler: shop.waiting}
  narrow: {handler: shop.waiting, concurrency: 2, queue: 0}
  exiting: {handler: shop.exiting}
"""
SHOP = """\
import hashlib, logging, os, sys, time
from fcplug import hookimpl

log = logging.getLogger("shop")

def alpha(event, context):
    log.info("alpha has %s", event.decode())
    time.sleep(0.01)
    context.logger.info("alpha is done with %s", event.decode())
    return event

async def beta(event, context):
    import asyncio
    log.info("beta has %s", event.decode())
    await asyncio.sleep(0.01)
    log.info("beta is done with %s", event.decode())
    return event

class Gamma:
    @hookimpl
    def invoke(self, event, context):
        return event

def waiting(event, context):
    open(event.decode() + "." + context.request_id, "w").close()
    while not os.path.exists(event.decode()):
        time.sleep(0.01)
    return "waited"

def exiting(event, context):
    sys.exit(1)
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    code = deploy(tmp_path_factory.mktemp("code"), CONFIG, {"shop.py": SHOP})
    with start(code) as running:
        yield running


def test_200_overlapping_invocations_keep_their_answers_and_their_log_lines_apart(
    instance: Instance,
) -> None:  # item 60
    before = len(instance.log)

    def invoke(number: int) -> bool:
        name = ("alpha", "beta", "gamma")[number % 3]
        payload = f"payload-{number}".encode()
        answer = instance.invoke(name, payload, x_fc_request_id=f"id-{number}")
        return (answer.status, answer.body) == (200, payload)

    with ThreadPoolExecutor(200) as clients:
        assert all(clients.map(invoke, range(200)))
    lines = instance.log[before:].splitlines()
    for number in range(200):
        framed = [line for line in lines if line.endswith(f"RequestId: id-{number}")]
        assert framed == [
            f"FC Invoke Start RequestId: id-{number}",
            f"FC Invoke End RequestId: id-{number}",
        ]
    matches = [re.fullmatch(r"\S+Z id-(\d+) \[INFO\] .* payload-(\d+)", line) for line in lines]
    records = [match for match in matches if match]
    assert len(records) == 2 * len([number for number in range(200) if number % 3 < 2])
    assert all(match[1] == match[2] for match in records)
    assert len(lines) == 400 + len(records)


@pytest.mark.slow
def test_an_event_of_32_mib_goes_in_and_out_byte_for_byte(instance: Instance) -> None:  # item 28
    event = os.urandom(32 * MIB)
    answer = instance.invoke("gamma", event)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(event).digest()


def test_a_chunked_event_is_read_whole(instance: Instance) -> None:  # item 9
    event = os.urandom(300_000)
    chunks = (event[start : start + 7001] for start in range(0, len(event), 7001))
    with contextlib.closing(instance.connect()) as connection:
        headers = {"x-fc-function-name": "gamma", "Transfer-Encoding": "chunked"}
        connection.request("POST", "/invoke", chunks, headers, encode_chunked=True)
        assert connection.getresponse().read() == event


def test_one_connection_serves_many_requests_even_after_failures(
    instance: Instance,
) -> None:  # items 6, 8
    with contextlib.closing(instance.connect()) as connection:
        for name, status in [("gamma", 200), ("exiting", 404), ("nobody", 404), ("gamma", 200)] * 5:
            connection.request("POST", "/invoke", b"x", {"x-fc-function-name": name})
            response = connection.getresponse()
            assert (response.status, len(response.read()) > 0) == (status, True)
            assert response.headers["Connection"] is None
            if name == "gamma":
                port = connection.sock.getsockname()[1]
        assert connection.sock.getsockname()[1] == port


def test_an_idle_connection_stays_open(instance: Instance) -> None:  # item 7
    with contextlib.closing(instance.connect()) as connection:
        ports = set()
        for pause in (0, 3):  # seconds: the server looks at its clocks; how far is its own test's
            time.sleep(pause)
            connection.request("POST", "/invoke", b"x", {"x-fc-function-name": "gamma"})
            assert connection.getresponse().read() == b"x"
            ports.add(connection.sock.getsockname()[1])
        assert len(ports) == 1


def test_a_health_check_is_answered_while_every_thread_is_busy(
    instance: Instance, tmp_path: Path
) -> None:  # item 27
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(20) as clients:
        waiting = [clients.submit(instance.invoke, "waiting", bytes(gate)) for _ in range(20)]
        wait_until(lambda: len(list(tmp_path.iterdir())) == 16)
        assert instance.call("GET", "/health").body == b"ok\n"
        gate.touch()
        assert {call.result().body for call in waiting} == {b"waited"}


def test_more_invocations_than_a_function_may_have_answer_429_at_once(
    instance: Instance, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(instance.invoke, "narrow", bytes(gate)) for _ in range(2)]
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        refused = instance.invoke("narrow", bytes(gate))
        assert (refused.status, refused.headers["x-fc-status"]) == (429, "404")
        assert b"function 'narrow' already runs 2 invocations" in refused.body
        assert instance.invoke("gamma", b"neighbour").body == b"neighbour"
        gate.touch()
        assert {call.result().body for call in waiting} == {b"waited"}
    assert instance.invoke("narrow", bytes(gate)).body == b"waited"


def test_a_client_that_disconnects_does_not_affect_others(
    instance: Instance, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    event = bytes(gate)
    head = f"POST /invoke HTTP/1.1\r\nHost: x\r\nx-fc-function-name: waiting\r\nContent-Length: {len(event)}\r\n\r\n"  # noqa: E501
    for part in (head.encode()[:40], head.encode(), head.encode() + event):
        with socket.create_connection(("127.0.0.1", instance.port)) as client:
            client.sendall(part)
    wait_until(lambda: any(tmp_path.iterdir()))
    gate.touch()
    assert instance.invoke("gamma", b"x").body == b"x"


@pytest.mark.parametrize("module", ["raising", "exiting_at_import", "crooked"])
def test_a_broken_plugin_answers_for_itself_while_the_others_serve(
    tmp_path: Path, module: str
) -> None:
    files = {
        "good.py": "def handle(event): return event\n",
        "raising.py": "raise RuntimeError('no database')\n",
        "exiting_at_import.py": "import sys\nsys.exit(7)\n",
        "crooked.py": "def handle(event:\n    return event\n",
    }
    config = (
        "version: 1\nfunctions:\n"
        f"  bad: {{handler: {module}.handle}}\n  good: {{handler: good.handle}}\n"
    )
    with start(deploy(tmp_path, config, files)) as instance:
        bad = instance.invoke("bad")
        assert bad.status == 404
        assert f"{tmp_path}/{module}.py".encode() in bad.body
        assert b"  fix: " in bad.body.replace(b"\\n", b"\n")
        assert instance.invoke("good", b"serving").body == b"serving"
        (tmp_path / f"{module}.py").write_text("def handle(event): return b'mended'\n")
        assert instance.invoke("bad").body == b"mended"


def test_a_slow_import_delays_only_its_own_callers(tmp_path: Path) -> None:  # item 3
    gate = tmp_path / "gate"
    files = {
        "quick.py": "def handle(event): return event\n",
        "slow.py": f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "def handle(event): return b'at last'\n",
    }
    config = (
        "version: 1\nfunctions:\n  slow: {handler: slow.handle}\n  quick: {handler: quick.handle}\n"
    )
    with start(deploy(tmp_path, config, files), loaded=False) as instance:
        assert instance.invoke("quick", b"x").body == b"x"
        with ThreadPoolExecutor(1) as clients:
            slow = clients.submit(instance.invoke, "slow")
            assert instance.invoke("quick", b"y").body == b"y"
            gate.touch()
            assert slow.result().body == b"at last"


def test_what_was_accepted_before_sigterm_is_answered(tmp_path: Path) -> None:  # item 13
    gate = tmp_path / "gate"
    code = deploy(tmp_path / "code", CONFIG, {"shop.py": SHOP})
    with start(code) as instance, ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(instance.invoke, "waiting", bytes(gate)) for _ in range(8)]
        wait_until(lambda: len(list(tmp_path.glob("gate.*"))) == 8)
        threading.Timer(0.3, gate.touch).start()
        assert instance.stop() == 0
        assert [(call.result().status, call.result().body) for call in waiting] == [
            (200, b"waited")
        ] * 8
