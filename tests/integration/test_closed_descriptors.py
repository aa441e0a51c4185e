"""Functions that close a descriptor of the server, for example because they close one twice."""

import contextlib
import http.client
import itertools
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from support.deployed import PATIENCE, Instance, deploy, start
from support.waiting import wait_until

FUNCTIONS = """
import contextlib
import os
import random
import socket
import stat
import time

def sockets(listening):
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # another call has closed it
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as copy:
                kind = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if (copy.family, kind) == (socket.AF_INET, listening):
                    found.append(number)
    return found

def close_connections(event, context):
    for number in sockets(listening=0):
        os.close(number)
    return "x" * int(event or 0)

def reuse_connections(event, context):
    closed = sockets(listening=0)
    kept.extend([os.open("kept", os.O_RDWR | os.O_CREAT), *closed])
    for number in closed:  # last: here the client goes on
        os.dup2(kept[0], number)
    return "x" * int(event or 0)

def close_others(event, context):
    for number in random.sample(found := sockets(listening=0), min(3, len(found))):
        with contextlib.suppress(OSError):
            os.close(number)

def echo(event, context):
    return event

def connect_with_their_numbers(event, context):
    ours, theirs = socket.socketpair()
    theirs.settimeout(1)
    closed = sockets(listening=0)
    kept.append(theirs)
    for number in closed:  # last: here the client goes on
        os.dup2(ours.fileno(), number)
    return "a secret"

def read_kept(event, context):
    try:
        return kept[-1].recv(1000)
    except TimeoutError:
        return "nothing"

def check_kept(event, context):
    return [os.fstat(number).st_size for number in kept]

def close_listener(event, context):
    for number in sockets(listening=1):
        os.close(number)
    time.sleep(0.5)
    return "closed"

def close_all(event, context):
    os.closerange(3, 1024)

def fine(event, context):
    return "fine"

kept = []
"""
NAMES = re.findall(r"def (\w+)\(event", FUNCTIONS)
CONFIG = "version: 1\nruntime: {%s}\nfunctions:\n" + "".join(
    f"  {name}: {{handler: functions.{name}}}\n" for name in NAMES
)
CLOSED = r"WARNING\] code of a function closed descriptor \d+, a client's connection"


@pytest.fixture(params=["", "answer_on_loop: false"], ids=["on the loop", "by other threads"])
def instance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    code = deploy(tmp_path, CONFIG % request.param, {"functions.py": FUNCTIONS})
    with start(code) as instance:
        for _ in range(100):  # so that the leader answers, where it may
            assert instance.invoke("fine").body == b"fine"
        yield instance


def send(connection: http.client.HTTPConnection, function: str, event: bytes = b"") -> None:
    connection.request("POST", "/invoke", event, {"x-fc-function-name": function})


@pytest.mark.parametrize("size", [0, 1_000_000])
@pytest.mark.parametrize("function", ["close_connections", "reuse_connections"])
def test_a_function_that_closes_its_connection_loses_only_that_answer(
    instance: Instance, function: str, size: int
) -> None:
    with closing(instance.connect()) as connection, closing(instance.connect()) as idle:
        send(idle, "fine")
        assert idle.getresponse().read() == b"fine"
        send(connection, function, str(size).encode())
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        send(idle, "fine")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            idle.getresponse()
    for _ in range(20):
        assert instance.invoke("fine").body == b"fine"
    instance.wait_for(CLOSED)
    assert "Traceback" not in instance.log
    assert instance.stop() == 0


def test_a_file_that_got_the_number_of_a_closed_connection_is_neither_written_nor_closed(
    instance: Instance,
) -> None:
    with closing(instance.connect()) as connection:
        send(connection, "reuse_connections", b"100000")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
    instance.wait_for(CLOSED)
    assert instance.invoke("check_kept").body == b"[\n    0,\n    0\n]"


def test_a_socket_that_got_the_number_of_a_connection_gets_no_answer(instance: Instance) -> None:
    with closing(instance.connect()) as connection:
        send(connection, "connect_with_their_numbers")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
    instance.wait_for(CLOSED)
    assert instance.invoke("read_kept").body == b"nothing"
    assert instance.stop() == 0


def test_no_client_gets_the_answer_of_another_while_connections_are_closed(
    instance: Instance,
) -> None:
    until, over = time.monotonic() + 5, threading.Event()
    right, wrong = list[bytes](), list[bytes]()

    def client(number: int) -> None:
        calls = itertools.count()
        while not over.is_set():
            sent = f"client {number}, call {next(calls)}".encode()
            with contextlib.suppress(http.client.HTTPException, OSError):
                with closing(instance.connect()) as connection:
                    send(connection, "echo", sent)
                    body = connection.getresponse().read()
                (right if body == sent else wrong).append(body)

    def close() -> bool:
        with contextlib.suppress(OSError), closing(instance.connect()) as connection:
            send(connection, "close_others")
            time.sleep(0.02)
        return time.monotonic() > until and len(right) > 100

    with ThreadPoolExecutor(10) as pool:
        clients = [pool.submit(client, number) for number in range(10)]
        try:
            wait_until(close)
        finally:
            over.set()
        for each in clients:
            each.result()
    assert wrong == []


def test_a_function_that_closes_the_listening_socket_ends_the_process_after_its_answers(
    instance: Instance,
) -> None:
    assert instance.invoke("close_listener").body == b"closed"
    assert instance.process.wait(PATIENCE) == 1
    assert "a function closed the listening socket" in instance.log
    assert "Traceback" not in instance.log


def test_a_process_whose_listening_socket_was_closed_is_replaced(tmp_path: Path) -> None:
    code = deploy(tmp_path, CONFIG % "processes: 2", {"functions.py": FUNCTIONS})
    with start(code) as instance:
        assert instance.invoke("close_listener").body == b"closed"
        instance.wait_for("a function closed the listening socket")
        for _ in range(20):
            assert instance.invoke("fine").body == b"fine"


def test_a_function_that_closes_everything_ends_the_process_and_says_why(
    instance: Instance,
) -> None:
    with closing(instance.connect()) as connection:
        send(connection, "close_all")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
    assert instance.process.wait(PATIENCE) == 1
    assert "code of a function closed the descriptors of the event loop" in instance.log
    assert "Traceback" not in instance.log
