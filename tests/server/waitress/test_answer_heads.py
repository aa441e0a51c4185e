"""The memory of answers' heads: what it keeps, and that no answer depends on it."""

import random
import re
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from waitress.channel import HTTPChannel

from fcplug.server.answer_heads import MAX_HEADS, MAX_SIZE, AnswerHeads
from fcplug.server.limits import Limits, WaitressSettings
from fcplug.server.waitress.parser import RequestParser
from fcplug.server.waitress.task import AnswerTask

PLAIN = [("x-fc-status", "200"), ("Content-Type", "a/b"), ("Content-Length", "2")]
STATUSES = [
    "200 OK",
    "200 OK",
    "404 Not Found",
    "204 No Content",
    "304 x",
    "200",
    "99 x",
    "200 a\x00",
]
FIELDS = [
    *PLAIN,
    ("content-length", "3"),
    ("Content-Length", "x"),
    ("Vary", "Accept"),
    ("vary", "caf\xe9"),
    ("vary", "\u4f60"),
    ("Vary", "a\x00"),
    ("Va ry", "a"),
    ("Set-Cookie", "a=b"),
    ("Date", "now"),
    ("Connection", "close"),
    ["Vary", "Accept"],
]
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]
App = Callable[[Any, Any], list[bytes]]


class Sent:
    """A connection that keeps what is sent."""

    refused = was_reset = False

    def __init__(self, settings: WaitressSettings, app: App, *, ends: bool) -> None:
        self.environ: dict[str, Any] = {}
        self.adj = settings
        self.server = SimpleNamespace(application=app, adj=settings)
        self.ends_after_answer = ends
        self.data = b""

    def write_soon(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def reset(self) -> None:
        self.was_reset = True


@pytest.fixture
def settings() -> WaitressSettings:
    with socket.socket() as sock:
        return WaitressSettings(Limits(), sock)


def answer(
    settings: WaitressSettings,
    status: str,
    fields: list[Any],
    *,
    request: bytes = REQUESTS[0],
    ends: bool = False,
) -> tuple[bytes, bool, bool]:
    """Return what is sent, without the date, and whether the connection is closed or reset."""

    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response(status, list(fields))
        return [b"hi"]

    parser = RequestParser(settings)
    parser.received(request)
    channel = Sent(settings, app, ends=ends)
    task = AnswerTask(cast("HTTPChannel", channel), parser)
    task.service()
    sent = re.sub(rb"\r\nDate: \w{3}, [\w: ]+ GMT\r\n", b"\r\nDate: -\r\n", channel.data)
    return sent, task.close_on_finish, channel.was_reset


@pytest.mark.filterwarnings("ignore")
def test_no_answer_depends_on_those_before_it(settings: WaitressSettings) -> None:
    rng = random.Random(1)
    for _ in range(3000):
        status, request = rng.choice(STATUSES), rng.choice(REQUESTS)
        fields = rng.sample(FIELDS, rng.randrange(4)) if rng.random() < 0.7 else PLAIN
        ends = rng.random() < 0.1
        known = answer(settings, status, fields, request=request, ends=ends)
        heads, settings.answer_heads = settings.answer_heads, AnswerHeads()
        assert answer(settings, status, fields, request=request, ends=ends) == known
        settings.answer_heads = heads
    assert len(settings.answer_heads) > 5


def test_a_head_that_comes_again_is_remembered_once(settings: WaitressSettings) -> None:
    answers = {answer(settings, "200 OK", PLAIN) for _ in range(3)}
    assert answers == {
        (
            b"HTTP/1.1 200 OK\r\nx-fc-status: 200\r\nContent-Type: a/b\r\n"
            b"Content-Length: 2\r\nDate: -\r\n\r\nhi",
            False,
            False,
        )
    }
    assert len(settings.answer_heads) == 1


@pytest.mark.parametrize(
    "field",
    [
        ("Set-Cookie", "a=secret"),
        ("X-Secret", "secret"),
        ("Location", "/?token=secret"),
        ("Vary", "x" * MAX_SIZE),
        ("Vary", "a\x00"),
    ],
)
def test_a_head_with_other_fields_is_not_remembered(
    settings: WaitressSettings, field: tuple[str, str]
) -> None:
    answer(settings, "200 OK", [*PLAIN, field])
    assert len(settings.answer_heads) == 0


def test_the_memory_is_bounded(settings: WaitressSettings) -> None:
    for length in range(2, MAX_HEADS + 10):
        answer(settings, "200 OK", [*PLAIN[:2], ("Content-Length", str(length))])
        assert len(settings.answer_heads) <= MAX_HEADS
    assert 0 < len(settings.answer_heads) < 20
