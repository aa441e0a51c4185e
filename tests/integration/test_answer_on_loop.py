"""``runtime.answer_on_loop``: whether the thread that turns the event loop also runs handlers."""

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.deployed import deploy, start
from support.waiting import wait_until

CODE = """\
import sys

def handler(event, context):
    names = set()
    frame = sys._getframe()
    while frame:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return "leader" if "_lead" in names else "follower"
"""
HEADERS = {"x-fc-function-name": "who"}


@contextmanager
def connection(folder: Path, runtime: str) -> Iterator[http.client.HTTPConnection]:
    config = f"version: 1\nruntime: {runtime}\nfunctions:\n  who: {{handler: index.handler}}\n"
    deploy(folder, config, {"index.py": CODE})
    with start(folder) as instance, closing(instance.connect()) as connection:
        yield connection


def who_answers(connection: http.client.HTTPConnection) -> str:
    connection.request("POST", "/invoke", b"", HEADERS)
    return connection.getresponse().read().decode()


def test_quick_answers_are_given_by_the_thread_of_the_loop(tmp_path: Path) -> None:
    with connection(tmp_path, "{}") as connected:
        assert who_answers(connected) == "follower"  # at first all are handed over
        wait_until(lambda: who_answers(connected) == "leader")


def test_with_answer_on_loop_off_every_request_is_handed_to_another_thread(tmp_path: Path) -> None:
    with connection(tmp_path, "{answer_on_loop: false}") as connected:
        assert {who_answers(connected) for _ in range(500)} == {"follower"}
