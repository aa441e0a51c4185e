"""The lives of instances on a line."""

from typing import Any

from fcplug.console.lifelines import timeline
from fcplug.platform.model import Call, InstanceInfo, InstanceState, Invocation, Outcome

NOW = 1000.0


def instance(*steps: tuple[float, str], **values: Any) -> InstanceInfo:
    known = {"id": "i", "function": "f", "pid": 1, "port": 2, "calls": 0, "running": 0}
    state = {"memory_mb": 1.0, "state": InstanceState.READY}
    return InstanceInfo(**{**known, **state, **values}, steps=steps)


def test_each_part_of_a_life_begins_where_the_last_one_ends() -> None:
    life = instance(
        (900.0, "starts ./bootstrap"),
        (905.0, "listens"),
        (910.0, "initializes"),
        (920.0, "ready"),
        (950.0, "frozen"),
    )
    (shown,) = timeline([life], [], NOW).lives
    assert [(each.kind, each.left, each.width) for each in shown.parts] == [
        ("starting", 0.0, 10.0),
        ("initializing", 10.0, 10.0),
        ("ready", 20.0, 30.0),
        ("frozen", 50.0, 50.0),
    ]


def test_a_life_that_has_ended_leaves_the_rest_empty() -> None:
    life = instance(
        (900.0, "starts"),
        (910.0, "ready"),
        (940.0, "stops"),
        (950.0, "ended with exit code 0"),
        state=InstanceState.ENDED,
    )
    (shown,) = timeline([life], [], NOW).lives
    assert (shown.parts[-1].kind, shown.parts[-1].left + shown.parts[-1].width) == ("stopping", 50)


def test_an_instance_that_fails_at_once_is_seen() -> None:
    life = instance((NOW - 1, "starts"), (NOW - 1, "failed"), state=InstanceState.ENDED)
    (shown,) = timeline([life], [], NOW).lives
    assert [each.kind for each in shown.parts] == ["starting", "failed"]
    assert all(each.width > 0 and each.left + each.width <= 100 for each in shown.parts)


def test_calls_stand_at_their_instance() -> None:
    call = Call(function="f", request_id="id")
    came = Outcome(instance_id="i", duration_ms=10_000.0)
    calls = [Invocation(number=1, call=call, outcome=came, begun=950.0, ended=960.0)]
    shown = timeline([instance((900.0, "ready")), instance((950.0, "ready"), id="j")], calls, NOW)
    by_id = {life.instance.id: life.calls for life in shown.lives}
    assert [(each.kind, each.left, each.width) for each in by_id["i"]] == [("call", 50.0, 10.0)]
    assert by_id["j"] == ()
