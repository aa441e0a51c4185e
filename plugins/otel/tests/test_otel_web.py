"""The observer: spans of web requests, exported before the answer leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TRACE = "0af7651916cd43dd8448eb211c80319c"
CODE = """
import logging, os, time
from opentelemetry import trace

def handle(event, context):
    return event

def own():
    with trace.get_tracer("shop").start_as_current_span("own"):
        logging.getLogger("shop").warning("in the request")

def site(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        raise ValueError("no luck with Bearer token-of-the-caller")
    while environ["PATH_INFO"] == "/hang" and not os.path.exists("go"):
        time.sleep(0.01)
    own()
    status = "503 Service Unavailable" if environ["PATH_INFO"] == "/down" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [b"a", b"b"]

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    own()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b"y"})
"""


def facts(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


KINDS = {"wsgi": {"wsgi": "app:site"}, "asgi": {"asgi": "app:app"}}


@pytest.fixture
def site(start: Any, collector: Any) -> Any:
    """Return what starts an instance with an application: ``site(kind, **keys)``."""

    def begin(kind: str = "wsgi", runtime: dict[str, Any] | None = None, **keys: Any) -> Any:
        settings = {"endpoint": collector.url, "export_timeout": 30}
        observer = {"name": "otel", "settings": settings}
        return start(
            CODE,
            otel=settings,
            runtime={"observers": [observer], **(runtime or {})},
            functions={"shop": {**KINDS[kind], **keys}},
        )

    return begin


def get(instance: Any, path: str, **headers: str) -> Any:
    sent = {"x_fc_function_name": "shop", "x_fc_control_path": "/http-invoke", **headers}
    return instance.call(path, None, **sent)


@pytest.mark.parametrize("limits", [{}, {"timeout": 60}])
@pytest.mark.parametrize(("kind", "status"), [("wsgi", 200), ("asgi", 201)])
def test_a_web_request_is_exported_before_the_answer_leaves_and_fc_freezes(
    site: Any, collector: Any, kind: str, status: int, limits: dict[str, Any]
) -> None:
    instance = site(kind, **limits)
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    answer = get(
        instance, "/items/1?token=secret-in-query", traceparent=parent, user_agent="curl/8",
        x_fc_request_id="1-a", x_fc_client_ip="192.0.2.7",
    )  # fmt: skip
    instance.freeze()
    assert (answer.status, len(answer.body)) == (status, 2)
    span, own = collector.span("GET"), collector.span("own")
    assert span.kind == 2  # SERVER
    found = facts(span.attributes)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "b7ad6b7169203331")
    assert found == {
        "http.request.method": "GET",
        "http.response.status_code": status,
        "url.path": "/items/1",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": instance.port,
        "client.address": "192.0.2.7",
        "user_agent.original": "curl/8",
        "network.protocol.version": "1.1",
        "faas.trigger": "http",
        "faas.name": "shop",
        "faas.invocation_id": "1-a",
        "fcplug.function": "shop",
    }
    assert span.status.code == 0
    assert own.parent_span_id == span.span_id
    (record,) = [each for each in collector.logs if each.body.string_value == "in the request"]
    assert (record.trace_id, record.span_id) == (span.trace_id, own.span_id)
    assert b"secret-in-query" not in collector.raw
    assert span.start_time_unix_nano <= own.start_time_unix_nano
    assert own.end_time_unix_nano <= span.end_time_unix_nano
    instance.thaw()
    assert get(instance, "/items/2").status == status
    assert len({each.trace_id for each in collector.spans if each.name == "GET"}) == 2


def test_failures_are_errors_of_the_span_and_show_no_secret(site: Any, collector: Any) -> None:
    instance = site()
    assert get(instance, "/down").status == 503
    token = "token-of-the-caller"
    assert get(instance, "/broken", authorization=f"Bearer {token}").status == 500
    down, broken = (span for span in collector.spans if span.name == "GET")
    assert facts(down.attributes)["error.type"] == "503"
    assert (down.status.code, broken.status.code) == (2, 2)
    assert facts(broken.attributes)["error.type"] == "ValueError"
    assert broken.status.message.startswith("no luck with")
    assert token.encode() not in collector.raw


def test_a_request_that_is_late_or_refused_has_a_span(
    site: Any, collector: Any, until: Any, tmp_path: Path
) -> None:
    instance = site(timeout=0.5, concurrency=1)
    assert get(instance, "/hang").status == 504
    assert get(instance, "/").status == 429  # the first still runs
    until(lambda: len([span for span in collector.spans if span.name == "GET"]) == 2)
    (tmp_path / "go").touch()
    late, refused = (facts(span.attributes) for span in collector.spans if span.name == "GET")
    assert (late["url.path"], late["error.type"]) == ("/hang", "FunctionTimeoutError")
    assert (refused["url.path"], refused["error.type"]) == ("/", "ConcurrencyExceeded")


def test_an_application_in_a_worker_has_the_span_of_the_request(site: Any, collector: Any) -> None:
    instance = site(isolation="process")
    assert get(instance, "/items/1").status == 200
    found = facts(collector.span("GET").attributes)
    assert (found["url.path"], found["http.response.status_code"]) == ("/items/1", 200)


def test_events_are_those_of_the_middleware_and_a_handler_s_span_is_in_that_of_its_request(
    site: Any, collector: Any
) -> None:
    instance = site()
    assert instance.invoke(b"Ada").body == b"Ada"
    assert [span.name for span in collector.spans if span.kind == 2] == ["greet"]
    assert get(instance, "/", x_fc_function_name="greet").status == 200
    request = collector.span("GET")
    inner = [span for span in collector.spans if span.parent_span_id == request.span_id]
    assert [span.name for span in inner] == ["greet"]


def test_several_processes_export_theirs_and_a_collector_that_is_down_costs_no_request(
    site: Any, collector: Any
) -> None:
    instance = site(runtime={"processes": 2})
    for _ in range(20):
        assert get(instance, "/").status == 200
    assert len([span for span in collector.spans if span.name == "GET"]) == 20
    collector.close()
    for _ in range(10):
        assert get(instance, "/").status == 200
    assert instance.stop() == 0
