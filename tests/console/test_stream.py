"""The stream that says what changed."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fcplug.console.service import Console
from fcplug.console.stream import MOST
from support.consoles import Client, opened
from support.platforms import event
from support.recorded_platform import RecordedPlatform
from support.small_platform import answer
from support.waiting import PATIENCE, wait_until


@pytest.fixture
def platform(tmp_path: Path) -> RecordedPlatform:
    platform = RecordedPlatform(tmp_path)
    platform.add("f", lambda call: answer(call.payload))
    return platform


@pytest.fixture
def served(platform: RecordedPlatform, tmp_path: Path) -> Iterator[tuple[Client, Console]]:
    with opened(platform, tmp_path) as (client, console, _):
        yield client, console


class Listener:
    """A page that listens."""

    def __init__(self, client: Client) -> None:
        self._connection = HTTPConnection("127.0.0.1", client.port, timeout=PATIENCE)
        self._connection.request("GET", "/stream")
        self.response = self._connection.getresponse()

    def message(self) -> dict[str, str]:
        """Return the next message, empty at the end and for a sign of life."""
        found: dict[str, str] = {}
        while line := self.response.readline().decode().strip("\n"):
            name, _, value = line.partition(": ")
            found[name] = value
        return found

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Client], Listener]]:
    with ExitStack() as stack:

        def begin(client: Client) -> Listener:
            listener = Listener(client)
            stack.callback(listener.close)
            return listener

        yield begin


Listen = Callable[[Client], Listener]


def test_a_stream_begins_with_what_names_this_run(
    served: tuple[Client, Console], listen: Listen
) -> None:
    client, _ = served
    response = listen(client)
    assert response.response.headers["content-type"] == "text/event-stream"
    hello = response.message()
    assert (hello["event"], hello["retry"]) == ("hello", "1000")
    sent = json.loads(hello["data"])
    assert sent["csrf"] == client.csrf()
    assert f'data-boot="{sent["boot"]}"' in client.get("/").text


def test_a_call_is_said_once_however_many_there_are(
    served: tuple[Client, Console], platform: RecordedPlatform, listen: Listen
) -> None:
    response = listen(served[0])
    response.message()
    for _ in range(500):
        platform.invoke(event())
    assert response.message() == {"event": "changed", "data": "invocation"}


def test_a_change_of_the_queue_is_said(
    platform: RecordedPlatform, tmp_path: Path, listen: Listen
) -> None:
    with opened(platform, tmp_path) as (client, _, queue):
        response = listen(client)
        response.message()
        queue.accept(event())
        kinds: set[str] = set()
        while not kinds >= {"queue", "invocation"}:
            kinds |= set(response.message()["data"].split())


def test_streams_end_with_the_console(
    platform: RecordedPlatform, tmp_path: Path, listen: Listen
) -> None:
    with opened(platform, tmp_path) as (client, _, _):
        response = listen(client)
        response.message()
    assert response.message() == {}  # it has ended


def test_pages_are_served_while_all_streams_are_taken(
    served: tuple[Client, Console], listen: Listen
) -> None:
    client, _ = served
    taken = [listen(client) for _ in range(MOST)]
    assert all(each.message()["event"] == "hello" for each in taken)
    refused = listen(client).response
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert client.get("/").status == 200
    taken.pop().close()
    wait_until(lambda: listen(client).response.status == 200)


def test_a_client_that_vanishes_gives_its_place_back(
    served: tuple[Client, Console], listen: Listen
) -> None:
    client, _ = served
    for _ in range(3 * MOST):
        with socket.create_connection(("127.0.0.1", client.port)) as raw:
            raw.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            raw.recv(1)
    wait_until(lambda: listen(client).response.status == 200)
