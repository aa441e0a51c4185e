"""Tablestore: what the store asks the service for, and what it does when that fails.

The service is a stand-in of the wire format, in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fcplug import Context
from fcplug.testing import Runner, make_context
from fcplug_idempotency import StoreUnavailable
from fcplug_idempotency.record import Begun, Claim, Differs, Done, InProgress
from fcplug_idempotency.tablestore_client import Address
from fcplug_idempotency.tablestore_store import TablestoreStore


def claim(token: str, payload: str = "p", caller: Context | None = None) -> Claim:
    context = caller or make_context()
    return Claim("k", payload, token, lease=10.0, expiry=3600.0, caller=context)


def limited(seconds: float) -> Context:
    """Return the context of a call that has so much time."""
    return make_context().for_function({}, seconds)


def test_a_url_names_endpoint_instance_and_table() -> None:
    usual = Address.parse("tablestore://shop.cn-hangzhou.vpc.tablestore.aliyuncs.com/records")
    host = "https://shop.cn-hangzhou.vpc.tablestore.aliyuncs.com"
    assert usual == Address(host, "shop", "records")
    local = Address.parse("tablestore+http://127.0.0.1:80/records?instance=shop")
    assert local == Address("http://127.0.0.1:80", "shop", "records")


def test_a_clock_that_jumps_holds_a_record_for_one_more_lease_at_most(service: Any) -> None:
    now = [1_000_000.0]
    store = TablestoreStore(service.url, clock=lambda: now[0])
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
    store.fail(claim("c"))
    assert store.begin(claim("d", payload="q")) == Begun()


def test_a_call_whose_answer_was_lost_holds_its_record_and_no_other_does(service: Any) -> None:
    store = TablestoreStore(service.url)
    service.order("drop/1")
    assert store.begin(claim("a")) == Begun()
    assert isinstance(store.begin(claim("b")), InProgress)
    service.order("drop/1")
    assert store.finish(claim("a"), b"result")
    assert store.begin(claim("b")) == Done(b"result")


def test_of_two_calls_that_take_over_a_dead_one_at_once_one_wins(service: Any) -> None:
    """The second reads the record before the first writes it, and loses by its condition."""
    now = [1_000_000.0]
    inner: list[object] = []
    second = TablestoreStore(service.url, clock=lambda: now[0])
    store = TablestoreStore(service.url, clock=lambda: now[0])
    assert store.begin(claim("dead")) == Begun()
    now[0] += 11

    class Between(TablestoreStore):
        def _kept(self, *given: Any) -> Any:
            if not inner:
                inner.append(second.begin(claim("fast")))
            return super()._kept(*given)

    slow = Between(service.url, clock=lambda: now[0])
    assert slow.begin(claim("slow")) == InProgress(10.0)
    assert inner == [Begun()]
    assert not store.finish(claim("dead"), b"late")
    assert store.finish(claim("fast"), b"result")


@pytest.mark.parametrize("size", [0, 1, 2_000_000, 2_000_001, 5_000_000])
def test_a_result_of_any_size_is_stored_in_parts_that_the_service_takes(
    service: Any, size: int
) -> None:
    store = TablestoreStore(service.url)
    result = os.urandom(size)
    assert store.begin(claim("a")) == Begun()
    assert store.finish(claim("a"), result)
    assert store.begin(claim("b")) == Done(result)
    assert service.rows() == {"records": max(1, -(-size // 2_000_000))}


def test_what_the_service_refuses_under_load_is_tried_again(service: Any) -> None:
    store = TablestoreStore(service.url)
    service.order("fail/OTSServerBusy/2")
    assert store.begin(claim("a")) == Begun()
    service.order("fail/OTSServerUnavailable/1")
    assert store.finish(claim("a"), b"result")
    service.order("fail/OTSServerBusy/9999")
    with pytest.raises(StoreUnavailable, match=r"shop/records at http.*\(OTSServerBusy\)"):
        store.begin(claim("b", caller=limited(0.2)))


def test_keys_that_are_wrong_or_missing_are_errors_that_show_no_secret(service: Any) -> None:
    store = TablestoreStore(service.url)
    context = make_context(access_key_secret="the-secret")
    with pytest.raises(StoreUnavailable, match=r"OTSAuthFailed.*keys are not accepted") as wrong:
        store.begin(claim("a", caller=context))
    assert "the-secret" not in str(wrong.value)
    with pytest.raises(StoreUnavailable, match="give the function a role"):
        store.begin(claim("a", caller=make_context(access_key_id="", security_token="")))
    other = TablestoreStore(service.url.replace("/records", "/other"))
    with pytest.raises(StoreUnavailable, match=r"OTSObjectNotExist.*make the table as the README"):
        other.begin(claim("a"))


def test_an_answer_that_is_not_of_the_service_is_a_clear_error() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        store = TablestoreStore(f"tablestore+http://127.0.0.1:{port}/records?instance=shop")
        try:
            with pytest.raises(StoreUnavailable, match="an answer that is not Tablestore's"):
                store.begin(claim("a"))
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_hangs_or_is_lost_in_the_middle_is_a_clear_error_in_time(
    fc: Runner, service: Any
) -> None:
    """Frozen, it takes the time that the call has left, and no more."""
    acts: list[bytes] = []
    after: list[Callable[[], None]] = [lambda: None]

    def act(event: bytes) -> str:
        acts.append(event)
        after[0]()
        return "done"

    middleware = [{"name": "idempotency", "settings": {"store": service.url}}]

    def call(event: bytes, seconds: float = 30) -> tuple[str, str]:
        answer = fc.invoke(
            act, event, middleware=middleware, context=make_context(request_id=event.decode()),
            timeout=seconds,
        )  # fmt: skip
        document = json.loads(answer.body)
        return document["errorType"], document["errorMessage"]

    def freeze() -> None:
        os.kill(service.process.pid, signal.SIGSTOP)

    after[0] = freeze
    kind, text = call(b"1")
    assert kind == "StoreUnavailable", text
    assert text.startswith("the handler has run, but its result could not be stored: the store Tab")
    assert "did not answer within" in text
    kind, text = call(b"2", 0.5)
    assert kind in ("StoreUnavailable", "FunctionTimeoutError"), text
    service.kill()
    kind, text = call(b"3")
    assert (kind, acts) == ("StoreUnavailable", [b"1"])
    assert text.startswith("the store Tablestore shop/records at http://127.0.0.1:")
    assert "cannot be reached" in text
