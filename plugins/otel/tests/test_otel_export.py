"""When telemetry leaves, and that an invocation never waits for long or fails for it."""

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

ECHO = "def handle(event, context):\n    return event\n"
DOWN = "takes no traces"


def servers(collector: Any) -> list[Any]:
    return [span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER]


def instances(collector: Any) -> set[str]:
    """Return the ids of the processes that sent spans."""
    return {
        item.value.string_value
        for message in collector.of("/v1/traces")
        for resource in message.resource_spans
        for item in resource.resource.attributes
        if item.key == "service.instance.id"
    }


def test_all_is_exported_before_the_answer_leaves_and_fc_freezes(
    start: Any, collector: Any
) -> None:
    code = "import logging\ndef handle(event, context):\n    logging.error('x')\n    return event\n"
    instance = start(code, otel={"endpoint": collector.url, "export_timeout": 30})
    for number in range(1, 5):
        reply = instance.invoke(b"%d" % number)
        instance.freeze()
        assert reply.body == b"%d" % number
        assert len(servers(collector)) == number
        assert len(collector.logs) == number
        count = collector.metrics["faas.invocations"].sum.data_points[0].as_int
        assert count == number
        collector.drop_connections()  # idle for hours, and the load balancer has had enough
        instance.thaw()
    assert instance.stop() == 0
    assert "OpenTelemetry" not in instance.log


def test_the_resource_is_the_instance_of_fc(start: Any, collector: Any) -> None:
    environ = {
        "FC_REGION": "cn-hangzhou", "FC_ACCOUNT_ID": "123", "FC_INSTANCE_ID": "c-1",
        "FC_FUNCTION_MEMORY_SIZE": "512", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=prod",
    }  # fmt: skip
    instance = start(ECHO, otel={"endpoint": collector.url, "export_timeout": 30}, environ=environ)
    instance.invoke()
    (resource,) = collector.of("/v1/traces")[0].resource_spans
    found = {item.key: item.value for item in resource.resource.attributes}
    assert {key: value.string_value for key, value in found.items() if key[:5] != "telem"} == {
        "cloud.provider": "alibaba_cloud", "cloud.platform": "alibaba_cloud_fc",
        "cloud.region": "cn-hangzhou", "cloud.account.id": "123",
        "cloud.resource_id": "acs:fc:cn-hangzhou:123:functions/greet",
        "faas.name": "greet", "faas.instance": "c-1", "faas.max_memory": "",
        "service.name": "greet", "deployment.environment": "prod",
        "service.instance.id": found["service.instance.id"].string_value,
    }  # fmt: skip
    assert found["faas.max_memory"].int_value == 512 * 1024 * 1024


def test_a_collector_that_is_down_is_said_once_and_gets_what_was_kept(
    start: Any, collector: Any, collector_at: Any, until: Any
) -> None:
    port = collector.port
    collector.close()
    instance = start(ECHO, otel={"endpoint": collector.url, "signals": ["traces"]})
    for number in range(12):
        reply = instance.invoke(b"%d" % number)
        assert (reply.status, reply.body) == (200, b"%d" % number)
    assert instance.log.count(DOWN) == 1
    assert "Connection refused" in instance.log
    assert "Traceback" not in instance.log
    later = collector_at(port)
    until(lambda: instance.invoke().status == 200 and len(servers(later)) > 12)
    assert len({span.span_id for span in servers(later)}) > 12
    instance.wait_for("takes traces again")
    assert instance.log.count(DOWN) == 1


def test_a_collector_that_never_answers_holds_no_invocation(start: Any, collector: Any) -> None:
    release = threading.Event()
    collector.answer = lambda _path: 200 if release.wait(60) else 503
    instance = start(ECHO, otel={"endpoint": collector.url, "export_timeout": 0.2})
    for number in range(20):  # each returns although no export does
        assert instance.invoke(b"%d" % number).body == b"%d" % number
    assert not collector.requests
    assert instance.log.count("takes no") >= 1
    assert "no answer in time" in instance.log
    tried = collector.tries
    assert tried < 20  # invocations do not wait for it any more
    release.set()
    assert instance.stop() == 0


def test_a_collector_that_dribbles_holds_no_invocation(start: Any, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def dribble() -> None:
        while not ended.is_set():
            peer = listener.accept()[0]
            threading.Thread(target=feed, args=(peer,), daemon=True).start()

    def feed(peer: socket.socket) -> None:
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.05):
                peer.sendall(b"x")

    threading.Thread(target=dribble, daemon=True).start()
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    instance = start(ECHO, otel={"endpoint": endpoint, "export_timeout": 0.2})
    for number in range(8):
        assert instance.invoke(b"%d" % number).body == b"%d" % number
    for kind in ("traces", "metrics", "logs"):  # invocations wait for none of them any more
        assert instance.log.count(f"takes no {kind}") == 1
    assert instance.stop() == 0
    ended.set()
    with socket.create_connection(listener.getsockname()):
        listener.close()


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_the_collector_refuses_is_dropped_and_said_once(
    start: Any, collector: Any, status: int
) -> None:
    collector.answer = lambda path: status if path == "/v1/logs" else 200
    code = "import logging\ndef handle(event, context):\n    logging.error('x')\n    return event\n"
    instance = start(code, otel={"endpoint": collector.url, "export_timeout": 30})
    for _ in range(4):
        assert instance.invoke().status == 200
    assert len(servers(collector)) == 4
    assert instance.log.count("1 logs are dropped") == 1
    assert f"status {status}" in instance.log


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_collector_cannot_take_now_is_sent_again(
    start: Any, collector: Any, until: Any, status: int
) -> None:
    answers = iter([status])
    collector.answer = lambda path: next(answers, 200) if path == "/v1/traces" else 200
    settings = {"endpoint": collector.url, "signals": ["traces"], "export_timeout": 30}
    instance = start(ECHO, otel=settings)
    for _ in range(2):
        assert instance.invoke().status == 200
    until(lambda: len(servers(collector)) == 2)
    assert len(collector.spans) == 3


def test_the_pre_freeze_hook_exports_what_invocations_left(start: Any, collector: Any) -> None:
    instance = start(
        ECHO, otel={"endpoint": collector.url, "export": "pre_freeze", "export_timeout": 30}
    )
    for _ in range(3):
        instance.invoke()
    assert collector.requests == []
    instance.call("/pre-freeze", b"", x_fc_control_path="/pre-freeze")
    instance.freeze()
    assert len(servers(collector)) == 3
    assert [span.name for span in collector.spans][-1] == "greet pre_freeze"


def test_outside_fc_exports_run_beside_the_invocations(
    start: Any, collector: Any, until: Any
) -> None:
    environ = {
        "FC_FUNCTION_NAME": "", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ada", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }  # fmt: skip
    instance = start(ECHO, otel={}, environ=environ)
    instance.invoke()
    until(lambda: servers(collector))
    path, headers, message = collector.requests[0]
    assert (path, headers["x-tenant"]) == ("/v1/traces", "ada")
    (resource,) = message.resource_spans
    names = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert names["service.name"] == "shop"
    instance.invoke()
    assert instance.stop() == 0
    assert len(servers(collector)) == 2
    assert collector.metrics["faas.invocations"].sum.data_points[0].as_int == 2


@pytest.mark.parametrize(
    ("environ", "paths"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, set()),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, {"/v1/traces"}),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, {"/v1/metrics"}),
    ],
)
def test_the_variables_of_opentelemetry_turn_signals_off(
    start: Any, collector: Any, environ: dict[str, str], paths: set[str]
) -> None:
    settings = {"endpoint": collector.url, "export_timeout": 30}
    instance = start(ECHO, otel=settings, environ=environ)
    assert instance.invoke(b"x").body == b"x"
    assert {path for path, _, _ in collector.requests} == paths


def test_spans_of_the_handler_s_own_are_in_the_trace_in_workers_too(
    start: Any, collector: Any
) -> None:
    code = """
from opentelemetry import trace

def handle(event, context):
    with trace.get_tracer("shop").start_as_current_span("inside"):
        return event
"""
    instance = start(
        code, otel={"endpoint": collector.url, "export_timeout": 30}, isolation="process", workers=2
    )
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    instance.invoke(traceparent=f"00-{trace_id}-b7ad6b7169203331-01", x_fc_request_id="r-1")
    inside, (server,) = collector.span("inside"), servers(collector)
    assert server.trace_id.hex() == trace_id
    assert inside.parent_span_id == server.span_id
    ids = [item for item in inside.attributes if item.key == "faas.invocation_id"]
    assert [item.value.string_value for item in ids] == ["r-1"]


def test_each_of_several_processes_exports_its_own(start: Any, collector: Any) -> None:
    instance = start(
        ECHO, otel={"endpoint": collector.url, "export_timeout": 30}, runtime={"processes": 2}
    )
    sent = 0
    while len(instances(collector)) < 2:
        assert instance.invoke().status == 200
        sent += 1
        assert sent < 500
    assert len(servers(collector)) == sent
    assert instance.stop() == 0


def test_functions_share_the_telemetry_until_the_last_has_gone(
    start: Any, collector: Any, until: Any, tmp_path: Path
) -> None:
    settings = {"endpoint": collector.url, "export_timeout": 30}
    other = {"handler": "app:handle", "middleware": [{"name": "otel", "settings": settings}]}
    instance = start(ECHO, otel=settings, functions={"other": other})
    instance.invoke()
    instance.invoke(x_fc_function_name="other")
    assert len(instances(collector)) == 1
    file = tmp_path / "functions.yaml"
    document = json.loads(file.read_text())
    del document["functions"]["other"]
    file.write_text(json.dumps(document))
    instance.process.send_signal(signal.SIGHUP)
    until(lambda: instance.invoke().status == 200 and "PreStop End" in instance.log)
    before = len(servers(collector))
    instance.invoke()
    assert len(servers(collector)) == before + 1
    assert len(instances(collector)) == 1
    assert "other pre_stop" in [span.name for span in collector.spans]


def test_a_child_that_a_handler_forks_exports_its_own_spans_only(
    start: Any, collector: Any
) -> None:
    code = """
import os
from opentelemetry import trace

def handle(event, context):
    tracer = trace.get_tracer("shop")
    with tracer.start_as_current_span("parent"):
        pass
    if not (pid := os.fork()):
        with tracer.start_as_current_span("child"):
            pass
        trace.get_tracer_provider().force_flush(30_000)
        os._exit(0)
    os.waitpid(pid, 0)
    return event
"""
    instance = start(code, otel={"endpoint": collector.url, "export_timeout": 30})
    for number in range(1, 3):
        assert instance.invoke().status == 200
        names = [span.name for span in collector.spans]
        assert names.count("child") == names.count("parent") == number


def test_an_invocation_that_is_late_is_exported_while_it_still_hangs(
    start: Any, collector: Any, until: Any, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = f"def handle(event, context):\n    open({str(gate)!r}).read()\n    return event\n"
    instance = start(code, otel={"endpoint": collector.url}, timeout=0.3)
    assert b"FunctionTimeoutError" in instance.invoke().body
    until(lambda: servers(collector) and "faas.timeouts" in collector.metrics)
    (span,) = servers(collector)
    kinds = [item.value.string_value for item in span.attributes if item.key == "error.type"]
    assert kinds == ["FunctionTimeoutError"]
    gate.write_text("")  # the handler returns: its span has ended before
    assert instance.stop() == 0
    assert len(servers(collector)) == 1


def test_telemetry_that_cannot_be_made_fails_no_invocation(start: Any, collector: Any) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "no-such-sampler", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/none"}
    instance = start(ECHO, otel={"endpoint": "https://127.0.0.1:1"}, environ=environ)
    for _ in range(4):
        assert instance.invoke(b"x").body == b"x"
    assert "Traceback" not in instance.log
