"""Several instances that share a store, and processes that are killed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PATIENCE = 60.0
CODE = """
import os, time

def act(event, context):
    with open("acts.log", "ab") as log:
        log.write(event + b"\\n")
    return {"by": context.request_id}

def hold(event, context):
    act(event, context)
    while not os.path.exists("go"):
        time.sleep(0.02)
    return {"by": context.request_id}
"""


def function(handler: str, store: str, **settings: Any) -> dict[str, Any]:
    given = {"store": store, "key": "id", **settings}
    return {
        "handler": f"shop:{handler}",
        "concurrency": 16,
        "middleware": [{"name": "idempotency", "settings": given}],
    }


def test_of_many_calls_at_once_to_two_instances_one_acts(
    start: Callable[..., Any], store: str, tmp_path: Path
) -> None:
    instances = [start(CODE, {"act": function("act", store)}) for _ in range(2)]
    events = [{"id": number} for number in range(12)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda job: (job[0]["id"], instances[job[1]].call("act", job[0])[1]),
                [(event, index) for event in events for index in (0, 1) * 2],
            )
        )
    acts = Counter((tmp_path / "acts.log").read_bytes().splitlines())
    assert (len(acts), set(acts.values())) == (12, {1})
    for event in events:
        _, kept = instances[0].call("act", event)
        assert instances[1].call("act", event) == (200, kept)
        for number, answer in answers:
            if number == event["id"]:
                assert answer == kept or answer["errorType"] == "InvocationInProgress"


def test_a_killed_call_is_given_up_when_its_lease_is_over(
    start: Callable[..., Any], store: str, tmp_path: Path
) -> None:
    functions = {
        "long": function("hold", store, lease=3600),
        "short": function("hold", store, lease=0.2),
    }
    first, second = (start(CODE, functions) for _ in range(2))
    log = tmp_path / "acts.log"
    log.touch()
    calls = [threading.Thread(target=first.call, args=(name, {"id": name})) for name in functions]
    for call in calls:
        call.start()
    while len(log.read_bytes().splitlines()) < 2:
        assert first.process.poll() is None
    first.kill()
    for call in calls:
        call.join(PATIENCE)
    (tmp_path / "go").touch()
    _, document = second.call("long", {"id": "long"})
    assert document["errorType"] == "InvocationInProgress"
    assert "if it died, in 3" in document["errorMessage"]
    while "errorType" in (answer := second.call("short", {"id": "short"})[1]):
        assert answer["errorType"] == "InvocationInProgress"
    assert second.call("short", {"id": "short"})[1] == answer
    acts = Counter(log.read_bytes().splitlines())
    assert acts == {b'{"id": "long"}': 1, b'{"id": "short"}': 2}
