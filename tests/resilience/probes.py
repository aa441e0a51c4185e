"""What others see of an instance that is attacked."""

import threading
import time
from typing import NamedTuple

from resilience.bar import Crowd, Report
from resilience.callers import Answer, Caller
from support.served import request

PAUSE = 0.05  # seconds between two questions


class Seen(NamedTuple):
    """How long each answer took, in seconds, and how many were not 200."""

    health: list[float]
    calls: list[float]
    wrong: list[int]


def probe(port: int, function: str, seconds: int, report: Report, token: str = "") -> Seen:
    """Ask for health, and call a function, one after the other on connections that are kept."""
    seen = Seen([], [], [])
    field = f"Authorization: Bearer {token}"

    def ask_health(_index: int, stop: threading.Event) -> None:
        while not stop.is_set():
            with Caller(port) as caller:  # each on a connection of its own, as a stranger's
                note(seen.health, caller.ask(request("GET", "/health")))
            stop.wait(PAUSE)

    def call(_index: int, stop: threading.Event) -> None:
        with Caller(port) as caller:
            while not stop.is_set():
                note(seen.calls, caller.invoke(function, b"hello", *([field] if token else [])))
                stop.wait(PAUSE)

    def note(times: list[float], answer: Answer) -> None:
        times.append(answer.seconds)
        if answer.status != 200:
            seen.wrong.append(answer.status)

    with Crowd(1, ask_health), Crowd(1, call):
        for second in range(seconds):
            time.sleep(1)
            report.progress(f"{second + 1} of {seconds} s, {len(seen.health)} health checks")
    return seen
