"""The middleware in the process of the test, with real stores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner, make_context
from fcplug_idempotency.record import Begun, Claim, Differs, Done, InProgress
from fcplug_idempotency.redis_store import RedisStore
from fcplug_idempotency.sqlite_store import SqliteStore

SECRET = "the-secret-of-the-caller"
Act = Callable[..., Answer]


class Shop:
    """A handler that counts how often it acts."""

    def __init__(self) -> None:
        self.acts = 0
        self.answer: Callable[[], Any] = lambda: {"act": self.acts}

    def handle(self, event: bytes) -> Any:
        self.acts += 1
        return self.answer()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def act(fc: Runner, shop: Shop, store: str) -> Act:
    """Return what sends an event to the shop, behind the middleware with these settings."""
    handler = shop.handle

    def call(event: object = b"", request_id: str = "1-a", **settings: Any) -> Answer:
        given = event if isinstance(event, bytes) else json.dumps(event).encode()
        middleware = [{"name": "idempotency", "settings": {"store": store, **settings}}]
        context = make_context(request_id=request_id)
        return fc.invoke(handler, given, middleware=middleware, context=context)

    return call


def said(answer: Answer) -> tuple[str, str]:
    """Return the type and the text of the error that a caller gets."""
    document = json.loads(answer.body)
    assert SECRET not in answer.body.decode() + "".join(answer.log)
    return document["errorType"], document["errorMessage"]


def test_a_repeated_call_gets_the_stored_result_byte_for_byte(act: Act, shop: Shop) -> None:
    first = act(b"\xff not JSON")
    assert first.error is None
    assert act(b"\xff not JSON").body == first.body == b'{\n    "act": 1\n}'
    assert shop.acts == 1
    assert act(b"\xff not JSON", "1-b").body != first.body
    assert shop.acts == 2


@pytest.mark.parametrize("result", [b"\x00\xff", "é", None, "", [1, {"b": None}]])
def test_every_kind_of_result_is_returned_as_it_was_sent(
    act: Act, shop: Shop, result: object
) -> None:
    shop.answer = lambda: result
    first = act(b"x")
    assert (first.error, act(b"x").body, shop.acts) == (None, first.body, 1)


def test_a_payload_that_differs_under_one_key_is_an_error_that_shows_neither(
    act: Act, shop: Shop
) -> None:
    assert act({"id": SECRET, "n": 1}, key="id").error is None
    conflict = said(act({"id": SECRET, "n": 2}, "1-b", key="id"))
    assert conflict == (
        "IdempotencyConflict",
        "another call had the same key and a different payload: use a new key",
    )
    assert shop.acts == 1


def test_the_payload_setting_names_what_must_be_the_same(act: Act, shop: Shop) -> None:
    settings = {"key": "[user, order.id]", "payload": "order"}
    first = act({"user": 1, "order": {"id": 2, "n": 3}, "sent": 1}, **settings)
    again = act({"order": {"n": 3, "id": 2}, "user": 1, "sent": 2}, **settings)
    assert (again.body, shop.acts) == (first.body, 1)
    other = act({"user": 1, "order": {"id": 2, "n": 4}, "sent": 1}, **settings)
    assert said(other)[0] == "IdempotencyConflict"


@pytest.mark.parametrize(
    "event",
    [
        b"", b"\xff", b"Ada", b"[1]", b'{"id": null}', b'{"id": ""}', b'{"id": []}', b"[" * 100_000,
        f'{{"other": "{SECRET}"}}'.encode(),
    ],
    ids=lambda event: repr(event[:12]),
)  # fmt: skip
def test_an_event_without_a_key_is_refused_before_the_handler(
    act: Act, shop: Shop, event: bytes
) -> None:
    assert said(act(event, key="id"))[0] == "InvalidEvent"
    assert shop.acts == 0


def test_keys_of_any_size_and_type_are_different_keys(act: Act, shop: Shop) -> None:
    keys: list[object] = [1, "1", 1.5, True, "true", ["1"], {"a": 1}, "x" * 5_000_000, "'; --\x00"]
    for number, key in enumerate(keys, 1):
        assert json.loads(act({"id": key}, key="id").body) == {"act": number}
    for number, key in enumerate(keys, 1):
        assert json.loads(act({"id": key}, key="id").body) == {"act": number}


def test_a_failed_call_lets_the_next_one_run(act: Act, shop: Shop) -> None:
    def fail() -> None:
        raise ValueError("no luck")

    shop.answer = fail
    assert said(act(b"x")) == ("ValueError", "no luck")
    shop.answer = lambda: {1, 2}
    assert "set, which is not JSON" in said(act(b"x"))[1]
    shop.answer = lambda: "luck"
    assert [act(b"x").body, act(b"x").body, shop.acts] == [b"luck", b"luck", 3]
    assert said(act(b"y"))[0] == "IdempotencyConflict"


def test_an_expired_result_is_forgotten(act: Act, shop: Shop) -> None:
    act(b"x", expires=0.001)
    while shop.acts == 1:
        act(b"x", expires=0.001)


def test_a_second_call_while_the_first_runs_is_refused(act: Act, shop: Shop) -> None:
    inner: list[Answer] = []

    def again() -> str:
        inner.append(act(b"x"))
        return "outer"

    shop.answer = again
    assert act(b"x").body == b"outer"
    kind, text = said(inner[0])
    assert kind == "InvocationInProgress"
    assert "another call with the same key is in progress" in text
    assert shop.acts == 1


def test_a_header_is_a_key_in_calls_and_in_http_events(fc: Runner, shop: Shop, store: str) -> None:
    settings = {"store": store, "header": "Idempotency-Key", "payload": "body"}
    middleware = [{"name": "idempotency", "settings": settings}]
    handler = shop.handle

    def post(body: str, **headers: str) -> tuple[int, str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = fc.http(handler, "POST", "/", headers=given, body=body, middleware=middleware)
        return answer.status, answer.body.decode()

    first = post("a", idempotency_key="k")
    assert first[0] == 200
    assert post("a", IDEMPOTENCY_KEY="k") == first
    assert shop.acts == 1
    assert "IdempotencyConflict" in post("b", idempotency_key="k")[1]
    assert "no header 'idempotency-key'" in post("a")[1]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "store"),
        ({"store": ""}, "store: it is empty"),
        ({"store": "mysql://x"}, "a URL that begins with redis:// or tablestore://"),
        ({"store": "tablestore://shop.cn-hangzhou.ots.aliyuncs.com"}, "Tablestore is malformed"),
        ({"store": "tablestore://a/b?other=c"}, "the URL of Tablestore is malformed"),
        ({"store": f"tablestore://key:{SECRET}@a/b"}, "the URL of Tablestore is malformed"),
        ({"store": f"redis://:{SECRET}@host:port"}, "the URL of Redis is malformed"),
        ({"store": "x", "key": "a..b"}, "key: 'a..b' is not JMESPath"),
        ({"store": "x", "key": ""}, "key: '' is not JMESPath"),
        ({"store": "x", "key": "a", "header": "b"}, "give either key or header"),
        ({"store": "x", "header": " "}, "header: it is empty"),
        ({"store": "x", "expires": 0}, "expires: 0 is not between"),
        ({"store": "x", "lease": -1}, "lease: -1 is not between"),
    ],
)
def test_settings_that_cannot_work_are_errors_when_the_function_is_loaded(
    fc: Runner, shop: Shop, settings: dict[str, Any], problem: str
) -> None:
    handler, middleware = shop.handle, [{"name": "idempotency", "settings": settings}]
    answer = fc.invoke(handler, b"", middleware=middleware)
    assert isinstance(answer.error, PluginError)
    assert problem in said(answer)[1]


def test_a_folder_that_is_lost_in_the_middle_is_a_clear_error(
    fc: Runner, shop: Shop, tmp_path: Path
) -> None:
    folder = tmp_path / "mount"
    folder.mkdir()
    settings = {"store": str(folder / "records.db")}
    handler, middleware = shop.handle, [{"name": "idempotency", "settings": settings}]

    def call(request_id: str) -> tuple[str, str]:
        context = make_context(request_id=request_id)
        return said(fc.invoke(handler, b"", middleware=middleware, context=context))

    shop.answer = (folder / "records.db").unlink
    kind, text = call("1-a")
    assert (kind, "its record is gone" in text) == ("StoreUnavailable", True)
    shop.answer = lambda: shutil.rmtree(folder)
    kind, text = call("1-b")
    assert kind == "StoreUnavailable"
    assert text.startswith("the handler has run, but its result could not be stored: the store /")
    acts = shop.acts
    kind, text = call("1-c")
    assert kind == "StoreUnavailable"
    assert text.startswith(f"the store {folder}/records.db cannot be used: unable to open")
    assert shop.acts == acts
    folder.mkdir()
    (folder / "records.db").write_bytes(b"no database " * 1000)
    assert "file is not a database" in call("1-d")[1]


def test_a_redis_that_is_lost_in_the_middle_is_a_clear_error(
    fc: Runner, shop: Shop, redis_server: Callable[..., Any]
) -> None:
    server = redis_server(SECRET)
    handler = shop.handle
    middleware = [{"name": "idempotency", "settings": {"store": server.url}}]
    assert fc.invoke(handler, b"", middleware=middleware).error is None
    shop.answer = server.kill
    kind, text = said(fc.invoke(handler, b"", middleware=middleware))
    assert (kind, text.partition(": the store ")[0]) == (
        "StoreUnavailable", "the handler has run, but its result could not be stored",
    )  # fmt: skip
    kind, text = said(fc.invoke(handler, b"", middleware=middleware))
    assert (kind, shop.acts) == ("StoreUnavailable", 2)
    assert text.startswith(f"the store Redis at 127.0.0.1:{server.port} cannot be used")


def test_a_wrong_password_of_redis_is_not_shown(
    fc: Runner, shop: Shop, redis_server: Callable[..., Any]
) -> None:
    url = redis_server("right").url.replace("right", SECRET)
    middleware = [{"name": "idempotency", "settings": {"store": url}}]
    handler = shop.handle
    assert said(fc.invoke(handler, b"", middleware=middleware))[0] == "StoreUnavailable"
    assert shop.acts == 0


def claim(token: str, payload: str = "p", expiry: float = 3600.0) -> Claim:
    return Claim(key="k", payload=payload, token=token, lease=10.0, expiry=expiry)


def test_a_clock_that_jumps_holds_a_record_for_one_more_lease_at_most(tmp_path: Path) -> None:
    now = [1_000_000.0]
    store = SqliteStore(tmp_path / "records.db", clock=lambda: now[0])
    assert store.begin(claim("a")) == Begun()
    assert store.begin(claim("b")) == InProgress(10.0)
    now[0] -= 500_000
    assert store.begin(claim("b")) == InProgress(10.0)
    now[0] += 10
    assert store.begin(claim("b")) == Begun()
    assert not store.finish(claim("a"), b"late")
    store.fail(claim("a"))
    assert store.begin(claim("c")) == InProgress(10.0)
    assert store.finish(claim("b"), b"result")
    assert store.begin(claim("c")) == Done(b"result")
    now[0] += 3599
    assert store.begin(claim("c", payload="q")) == Differs()
    now[0] += 1
    assert store.begin(claim("c", payload="q")) == Begun()


def test_a_clock_of_redis_that_jumps_holds_a_record_for_one_more_lease_at_most(
    redis_server: Callable[..., Any],
) -> None:
    server = redis_server()
    store = RedisStore(server.url)
    assert store.begin(claim("a")) == Begun()
    assert store.begin(claim("a")) == Begun()  # the answer to the first try was lost
    with server.client() as client:
        (name,) = client.keys()
        held_until = int(client.hget(name, "until"))
        client.hset(name, "until", held_until + 500_000_000)
        assert store.begin(claim("b")) == InProgress(10.0)
        assert int(client.hget(name, "until")) < held_until + 500_000
        client.hset(name, "until", held_until - 500_000_000)
        assert store.begin(claim("b")) == Begun()
        assert not store.finish(claim("a"), b"late")
        assert store.finish(claim("b"), b"result")
        assert store.begin(claim("c")) == Done(b"result")
        assert 0 < client.pttl(name) <= 3_600_000
