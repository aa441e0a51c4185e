"""What other programs read of a platform: past and new, who may, and who is too slow."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fcplug.platform.feed import Item
from fcplug.platform.model import Call
from support.small_platform import SmallPlatform, answer, serving
from support.waiting import wait_until


@pytest.fixture
def platform(tmp_path: Path) -> SmallPlatform:
    return SmallPlatform(tmp_path)


@pytest.fixture
def port(platform: SmallPlatform, tmp_path: Path) -> Iterator[int]:
    with serving(platform, tmp_path) as (number, _queue):
        yield number


def read(port: int, target: str, **headers: str) -> tuple[int, list[Item]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
    if response.status != 200:
        return response.status, []
    return 200, [msgspec.json.decode(line, type=Item) for line in body.splitlines() if line]


def line_of(response: http.client.HTTPResponse) -> bytes:
    """Return the next line that is not empty."""
    while not (line := response.readline()).strip():
        assert line, "the stream has ended"
    return line


def call(payload: bytes = b"", function: str = "echo") -> Call:
    return Call(function=function, request_id="r-1", payload=payload)


def test_the_past_of_the_log_comes_in_order_and_by_function(
    platform: SmallPlatform, port: int
) -> None:
    for number in range(600):
        platform.write("echo", f"line {number}", f"1-abc-{number:04}")
    platform.write("site", "another")
    _, items = read(port, "/-/log?past=true&function=echo")
    assert [item.log.text for item in items if item.log] == [f"line {n}" for n in range(600)]
    _, items = read(port, "/-/log?past=true&request=0007")
    assert [item.log.text for item in items if item.log] == ["line 7"]
    assert read(port, "/-/log?past=true&since=9999999999")[1] == []
    assert read(port, "/-/log") == (200, [])


def test_a_follower_gets_each_line_once(platform: SmallPlatform, port: int) -> None:
    platform.write("echo", "before")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/-/log?past=true&follow=true")
        response = connection.getresponse()
        assert b"before" in line_of(response)
        platform.write("echo", "after")
        found = msgspec.json.decode(line_of(response), type=Item).log
        assert found is not None
        assert (found.text, found.number) == ("after", 2)


def test_calls_come_once_they_have_ended_with_their_bytes(
    platform: SmallPlatform, port: int
) -> None:
    platform.invoke(call(b"\x00\xff"))
    platform.invoke(call(function="site"))
    _, items = read(port, "/-/calls?past=true&function=echo")
    (found,) = [item.call for item in items if item.call]
    assert found.call.payload == b"\x00\xff"
    assert found.outcome is not None
    assert found.outcome.body == b"\x00\xff"


def test_a_reader_that_is_too_slow_gets_the_number_of_what_it_missed(
    platform: SmallPlatform, port: int
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as reader:
        reader.sendall(b"GET /-/log?follow=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert reader.recv(12) == b"HTTP/1.1 200"
        for _ in range(3000):
            platform.write("echo", "x" * 32_000)  # nobody reads, and nothing waits for it
        platform.write("echo", "the last")
        data = b""
        while b"the last" not in data:
            data = data[-100_000:] + reader.recv(1 << 20)
            lost = data.find(b'{"lost":')
            if lost >= 0:
                break
        assert lost >= 0, "all 96 MB were kept for a reader that did not read"


def test_a_reader_that_leaves_gives_its_place_to_another(port: int) -> None:
    readers = []
    for _ in range(16):
        readers.append(socket.create_connection(("127.0.0.1", port), timeout=60))
        readers[-1].sendall(b"GET /-/log?follow=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert readers[-1].recv(12) == b"HTTP/1.1 200"
    assert read(port, "/-/log")[0] == 429
    for reader in readers:
        reader.close()
    wait_until(lambda: read(port, "/-/log")[0] == 200)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/-/log?past=true", {"Origin": "https://evil.example"}, 403),
        ("/-/calls?past=true", {"Host": "evil.example"}, 403),
        ("/-/log?function=nobody", {}, 404),
        ("/-/log?past=maybe", {}, 400),
        ("/-/log?since=soon", {}, 400),
    ],
)
def test_odd_readers_are_refused(
    port: int, target: str, headers: dict[str, str], status: int
) -> None:
    assert read(port, target, **headers)[0] == status


def test_with_keys_a_reader_must_sign(platform: SmallPlatform, tmp_path: Path) -> None:
    with serving(platform, tmp_path / "keys", {"id": "secret"}) as (port, _queue):
        assert read(port, "/-/calls?past=true")[0] == 400


def test_a_follower_holds_no_more_than_128_mb_of_calls(platform: SmallPlatform) -> None:
    followed = platform.subscribe()
    platform.add("big", lambda _: answer(b"z" * 30_000_000))
    for _ in range(6):
        platform.invoke(call(function="big"))
    assert (followed.qsize(), followed.lost) == (4, 2)
