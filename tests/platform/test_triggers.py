"""Triggers and the queue: each event is an asynchronous call of its function."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fcplug.cron import UnknownZone
from fcplug.events import TimerEvent
from fcplug.events.decoding import decode
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import BucketTrigger, TimerTrigger
from fcplug.platform.triggers import Triggers
from support.small_platform import SmallPlatform, failure
from support.waiting import wait_until

PUT = BucketTrigger(function="echo", name="put", bucket="photos", events=("oss:ObjectCreated:*",))
EVERY = TimerTrigger(function="echo", name="every", expression="@every 1m", payload="all")


class Said:
    """The lines that were said."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, bool]] = []

    def __call__(self, function: str, text: str, *, failed: bool = False) -> None:
        self.lines.append((function, text, failed))


@pytest.fixture
def platform(tmp_path: Path) -> SmallPlatform:
    return SmallPlatform(tmp_path)


@pytest.fixture
def queue(platform: SmallPlatform, tmp_path: Path) -> Iterator[AsyncQueue]:
    queue = AsyncQueue(platform, tmp_path / "queue.db", pause=0.01)
    yield queue
    queue.close()


def test_a_file_in_the_folder_calls_each_function_with_a_trigger_for_it(
    platform: SmallPlatform, queue: AsyncQueue, tmp_path: Path
) -> None:
    said = Said()
    (tmp_path / "photos").mkdir()
    platform.add("fails", lambda _: failure(), retries=1)
    functions = [
        msgspec.structs.replace(platform.functions["echo"], triggers=(PUT,)),
        msgspec.structs.replace(
            platform.functions["fails"],
            triggers=(msgspec.structs.replace(PUT, function="fails", suffix=".jpg"),),
        ),
    ]
    with Triggers(queue, {"photos": tmp_path / "photos"}, said) as triggers:
        triggers.replace(functions)
        (tmp_path / "photos" / "a.jpg").write_text("1")
        wait_until(lambda: len(platform.calls) == 3)
        (tmp_path / "photos" / "a.png").write_text("1")
        wait_until(lambda: len(platform.calls) == 4)
    made = [(call.function, call.kind, call.retry) for call in platform.calls]
    # a trigger's call that fails is tried again, as on FC
    assert sorted(made[:3]) == [("echo", "oss", 0), ("fails", "oss", 0), ("fails", "oss", 1)]
    assert made[3] == ("echo", "oss", 0)
    (record,) = json.loads(platform.calls[3].payload)["events"]
    assert record["oss"]["object"]["key"] == "a.png"
    last = f"oss put: ObjectCreated:PutObject photos/a.png  {platform.calls[3].request_id}"
    assert said.lines[2] == ("echo", last, False)


def test_a_timer_calls_its_function_with_the_event_of_a_timer(
    platform: SmallPlatform, queue: AsyncQueue
) -> None:
    said, now = Said(), [1_800_000_000.0]
    function = msgspec.structs.replace(platform.functions["echo"], triggers=(EVERY,))
    with Triggers(queue, {}, said, lambda: now[0]) as triggers:
        triggers.replace([function])
        now[0] += 61
        triggers.replace([function])
        wait_until(lambda: platform.calls)
        now[0] += 3600
        triggers.replace([function])
        wait_until(lambda: len(said.lines) == 2)
    (call,) = platform.calls
    assert (call.function, call.kind) == ("echo", "timer")
    assert decode(call.payload, TimerEvent) == TimerEvent(
        trigger_time="2027-01-15T08:01:00Z", trigger_name="every", payload="all"
    )
    assert said.lines[0] == ("echo", f"timer every  {call.request_id}", False)
    function_name, text, failed = said.lines[1]
    assert (function_name, failed) == ("echo", True)
    assert text.startswith("timer every: missed ")


def test_an_unknown_time_zone_changes_nothing(platform: SmallPlatform, queue: AsyncQueue) -> None:
    now = [1_800_000_000.0]
    function = msgspec.structs.replace(platform.functions["echo"], triggers=(EVERY,))
    wrong = TimerTrigger(function="echo", name="x", expression="CRON_TZ=No/Where 0 0 4 * * *")
    with Triggers(queue, {}, Said(), lambda: now[0]) as triggers:
        triggers.replace([function])
        with pytest.raises(UnknownZone):
            triggers.replace([msgspec.structs.replace(function, triggers=(wrong,))])
        now[0] += 61
        wait_until(lambda: platform.calls)


def test_an_event_that_cannot_be_queued_is_said(
    platform: SmallPlatform, queue: AsyncQueue, tmp_path: Path
) -> None:
    said = Said()
    function = msgspec.structs.replace(platform.functions["echo"], triggers=(PUT,))
    photos = tmp_path / "photos"
    photos.mkdir()
    with Triggers(queue, {"photos": photos}, said) as triggers:
        triggers.replace([function])
        with sqlite3.connect(tmp_path / "queue.db") as other:
            other.execute("DROP TABLE tasks")  # as a disk that fails
        (photos / "a.jpg").write_text("1")
        wait_until(lambda: said.lines)
    ((function_name, text, failed),) = said.lines
    assert (function_name, failed) == ("echo", True)
    assert text.startswith(
        "oss put: ObjectCreated:PutObject photos/a.jpg: not sent: the queue of asynchronous calls "
        "cannot be written"
    )
