"""Shadows: copies of events that never reach the caller, whatever becomes of them."""

import importlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fcplug.config import loader
from fcplug.context import Context
from fcplug.errors import ConfigError
from fcplug.runtime import shadow
from fcplug.runtime.runtime import Runtime
from support.waiting import PATIENCE, wait_until

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

SHOP = """
import threading

seen = []
entered = []
gate = threading.Event()
inside = threading.Semaphore(0)

def first(event, context):
    return {"name": event.decode(), "price": 3}

def same(event, context):
    seen.append((event, context))
    return '{"price": 3,  "name": "%s"}' % event.decode()

def other(event, context):
    seen.append((event, context))
    return {"name": event.decode(), "price": "a secret price"}

def failing(event, context):
    raise ValueError("the shadow has failed")

def failed(event, context):
    raise KeyError("the first has failed")

def waiting(event, context):
    entered.append(context)
    inside.release()
    gate.wait(60)
    seen.append((event, context))
    return event

def exiting(event, context):
    raise SystemExit(3)
"""


@pytest.fixture
def shop(code: Code) -> ModuleType:
    code("shop", SHOP)
    return importlib.import_module("shop")


@pytest.fixture
def serve(serve: Serve, shop: ModuleType) -> Iterator[Serve]:
    """Return what makes a runtime; its copies end here, or they run the next test's ``shop``."""
    made: list[Runtime] = []

    def make(*text: str, **functions: Any) -> Runtime:
        made.append(serve(*text, **functions))
        return made[-1]

    yield make
    shop.gate.set()
    for runtime in made:
        runtime.stop(PATIENCE)


def runtime_of(serve: Serve, first: str, second: str, **entry: Any) -> Runtime:
    shadowed = {"handler": f"shop:{first}", "shadow": {"to": "v2", **entry}}
    return serve(v1=shadowed, v2=f"shop:{second}")


def compared(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage().partition(";")[0])
        for record in caplog.records
        if record.name == "fcplug.shadow" and "shadow 'v2' of 'v1'" in record.getMessage()
    ]


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        ("first same", ("INFO", "same answer")),
        ("first other", ("WARNING", "differs: price is text in place of number")),
        ("first failing", ("WARNING", "it failed with ValueError, where the other answered")),
        ("first exiting", ("WARNING", "it failed with SystemExit, where the other answered")),
        ("failed same", ("WARNING", "it answered, where the other failed with KeyError")),
        ("failed failed", ("INFO", "both failed with KeyError")),
        ("first absent", ("WARNING", "it failed with HandlerNotFound, where the other answered")),
    ],
)
@pytest.mark.usefixtures("shop")
def test_the_first_answers_and_the_comparison_is_logged_without_values(
    serve: Serve,
    called: Called,
    caplog: pytest.LogCaptureFixture,
    functions: str,
    expected: tuple[str, str],
) -> None:
    first, second = functions.split()
    level, what = expected
    caplog.set_level(logging.INFO)
    alone = serve(v1=f"shop:{first}").invoke(b"Ada", called("v1"))
    answer = runtime_of(serve, first, second).invoke(b"Ada", called("v1"))
    assert answer.body == alone.body
    wait_until(lambda: compared(caplog))
    assert compared(caplog) == [(level, f"shadow 'v2' of 'v1': {what}")]
    assert "a secret price" not in caplog.text


def test_the_copy_has_its_own_id_and_time_and_says_whose_copy_it_is(
    shop: ModuleType, serve: Serve
) -> None:
    headers = {
        "x-fc-function-name": "v1",
        "x-fc-request-id": "1-2",
        "x-fc-function-timeout": "600",
        "x-fc-qualifier": "prod",
        "x-fc-access-key-id": "an id",
        "x-fc-access-key-secret": "a secret",
        "x-fc-security-token": "a token",
    }
    environ = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "the id of the process",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "the secret of the process",
        "FC_REGION": "cn-hangzhou",
    }
    for credentials, key in ((False, ""), (True, "an id")):
        entry = {"to": "v2", "timeout": 5, "credentials": credentials}
        runtime = serve(
            v1={"handler": "shop:first", "shadow": entry}, v2="shop:same", environ=environ
        )
        runtime.invoke(b"Ada", Context.from_headers(headers, environ))
        wait_until(lambda: shop.seen)
        event, context = shop.seen.pop()
        assert event == b"Ada"
        assert (context.request_id, context.shadow_of) == ("1-2-shadow", "1-2")
        assert (context.function.name, context.qualifier) == ("v2", "prod")
        assert context.region == "cn-hangzhou"
        assert 0 < context.deadline - time.monotonic() <= 5
        assert context.credentials.access_key_id == key


def test_a_call_that_is_no_copy_says_so(shop: ModuleType, serve: Serve, called: Called) -> None:
    serve(f="shop:same").invoke(b"Ada", called("f"))
    assert shop.seen[0][1].shadow_of == ""


def test_a_share_of_the_events_is_copied_by_request_id_apart_from_splits(
    shop: ModuleType, serve: Serve, called: Called
) -> None:
    runtime = serve(
        json.dumps(
            {
                "version": 1,
                "functions": {
                    "v1": {"handler": "shop:first", "shadow": {"to": "v2", "share": 20}},
                    "v2": {"handler": "shop:same"},
                    "v3": {"handler": "shop:first"},
                },
                "routes": [{"match": {"function": "split"}, "to": {"v1": 1, "v3": 4}}],
            }
        )
    )
    ids = [f"r-{n}" for n in range(400)]

    def copied(name: str) -> set[str]:
        shop.seen.clear()
        for request_id in ids:
            runtime.invoke(b"", called(name, request_id=request_id))
            assert runtime.pre_freeze(called("v1")).error is None  # none is dropped
        return {context.shadow_of for _, context in shop.seen}

    once = copied("v1")
    assert 40 < len(once) < 120
    assert copied("split") < once
    assert len(shop.seen) > 4


def test_a_shadow_that_hangs_holds_up_nothing_and_is_counted(
    shop: ModuleType, serve: Serve, called: Called, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(serve, "first", "waiting", timeout=3600)
    whole = shadow.MOST_THREADS + shadow.MOST_WAITING
    for _ in range(shadow.MOST_THREADS):
        assert runtime.invoke(b"Ada", called("v1")).error is None
    for _ in range(shadow.MOST_THREADS):
        assert shop.inside.acquire(timeout=PATIENCE)
    for _ in range(shadow.MOST_WAITING + 7):
        assert runtime.invoke(b"Ada", called("v1")).error is None
    assert compared(caplog)[0][1] == (
        "shadow 'v2' of 'v1': 1 event not copied, since too many copies wait or run"
    )
    shop.gate.set()
    assert runtime.pre_freeze(called("v1")).error is None
    assert len(shop.seen) == whole
    assert runtime.stop(10)
    counts = [text.split()[4] for _, text in compared(caplog) if "not copied" in text]
    assert sum(map(int, counts)) == 7


def test_large_events_that_wait_are_bounded_in_bytes(
    shop: ModuleType, serve: Serve, called: Called, caplog: pytest.LogCaptureFixture
) -> None:
    code = runtime_of(serve, "first", "waiting", timeout=3600)
    event = b"x" * (shadow.MOST_BYTES // 5)
    for _ in range(3):  # each is held twice: as event and as answer
        assert code.invoke(event, called("v1")).error is None
    assert len(compared(caplog)) == 1
    shop.gate.set()


def test_a_copy_that_is_late_is_abandoned_and_told_so(
    shop: ModuleType, serve: Serve, called: Called, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(serve, "first", "waiting", timeout=0.2)
    for _ in range(100):  # a busy machine may take longer than that to begin
        assert runtime.invoke(b"Ada", called("v1")).error is None
        if shop.inside.acquire(timeout=1):
            break
    wait_until(lambda: shop.entered[0].cancelled)
    late = "it failed with FunctionTimeoutError, where the other answered"
    wait_until(lambda: ("WARNING", f"shadow 'v2' of 'v1': {late}") in compared(caplog))
    assert shop.seen == []


def test_with_wait_the_copy_has_ended_before_the_answer_or_its_time(
    shop: ModuleType, serve: Serve, called: Called
) -> None:
    runtime = runtime_of(serve, "first", "same", wait=60)
    for number in range(1, 20):
        assert runtime.invoke(b"Ada", called("v1")).error is None
        assert len(shop.seen) == number
    hanging = runtime_of(serve, "first", "waiting", wait=0.05)
    assert hanging.invoke(b"Ada", called("v1")).error is None
    assert len(shop.seen) == 19


@pytest.mark.parametrize("phase", ["pre_freeze", "stop"])
def test_a_freeze_and_a_stop_wait_for_copies_that_run(
    shop: ModuleType, serve: Serve, called: Called, phase: str
) -> None:
    runtime = runtime_of(serve, "first", "waiting")
    for _ in range(6):
        runtime.invoke(b"Ada", called("v1"))
    assert shop.inside.acquire(timeout=PATIENCE)
    opening = threading.Timer(0.1, shop.gate.set)
    opening.start()
    if phase == "stop":
        assert runtime.stop(60)
    else:
        assert runtime.pre_freeze(called("v1")).error is None
    assert len(shop.seen) == 6


def test_a_stop_drops_what_waits_after_its_limit(
    shop: ModuleType, serve: Serve, called: Called, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(serve, "first", "waiting", timeout=3600)
    for _ in range(shadow.MOST_THREADS + 3):
        runtime.invoke(b"Ada", called("v1"))
    for _ in range(shadow.MOST_THREADS):
        assert shop.inside.acquire(timeout=PATIENCE)
    runtime.stop(0.1)
    assert compared(caplog)[-1][1].endswith(
        "3 events not copied, since too many copies wait or run"
    )
    assert runtime.invoke(b"Ada", called("v1")).error is None
    shop.gate.set()
    wait_until(lambda: len(shop.seen) == shadow.MOST_THREADS)


@pytest.mark.parametrize("isolated", ["v1", "v2"])
@pytest.mark.usefixtures("shop")
def test_workers_answer_and_copy_too(
    serve: Serve,
    called: Called,
    caplog: pytest.LogCaptureFixture,
    isolated: str,
) -> None:
    caplog.set_level(logging.INFO)
    functions: dict[str, dict[str, Any]] = {
        "v1": {"handler": "shop:first", "shadow": "v2"},
        "v2": {"handler": "shop:same"},
    }
    functions[isolated] |= {"isolation": "process"}
    runtime = serve(**functions)
    try:
        assert json.loads(runtime.invoke(b"Ada", called("v1")).body)["name"] == "Ada"
        wait_until(lambda: compared(caplog))
        assert compared(caplog) == [("INFO", "shadow 'v2' of 'v1': same answer")]
    finally:
        runtime.stop(10)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("shadow: b2", "functions.a.shadow: no function 'b2'"),
        ("shadow: a", "functions.a.shadow: a function cannot be its own shadow"),
        ("shadow: site", "functions.a.shadow: events are copied, and 'site' has no handler"),
        ("shadow: {to: bb, share: 5}", "functions.a.shadow.to: no function 'bb'"),
        ("shadow: {to: b, share: 0}", "functions.a.shadow.share: expected a number > 0"),
        ("shadow: {to: b, share: 101}", "functions.a.shadow.share: expected a number <= 100"),
        ("shadow: {share: 5}", "functions.a.shadow: the key 'to' is missing"),
        ("shadow: {to: b, shares: 5}", "unknown key 'shares' (did you mean 'share'?)"),
        ("shadow: 3", "functions.a.shadow: expected text"),
    ],
)
def test_a_shadow_that_cannot_be_is_reported(entry: str, problem: str) -> None:
    text = (
        f"version: 1\nfunctions:\n  a: {{handler: h, {entry}}}\n"
        "  b: {handler: h}\n  site: {wsgi: 'h:app'}\n"
    )
    with pytest.raises(ConfigError) as error:
        loader.parse(text, "f.yaml", {})
    assert problem in str(error.value)


def test_an_application_alone_has_no_events_to_copy() -> None:
    text = "version: 1\nfunctions:\n  a: {wsgi: 'h:app', shadow: b}\n  b: {handler: h}\n"
    with pytest.raises(ConfigError, match="this function has no handler that answers events"):
        loader.parse(text, "f.yaml", {})


def test_an_edit_of_the_shadow_alone_keeps_the_function() -> None:
    text = "version: 1\nfunctions: {a: {handler: h, shadow: b}, b: {handler: h}}\n"
    one = loader.parse(text, "f", {}).functions["a"]
    two = loader.parse(text.replace("shadow: b", "shadow: {to: b, share: 3}"), "f", {})
    assert one.shadow != two.functions["a"].shadow
    assert one.without_limits() == two.functions["a"].without_limits()
