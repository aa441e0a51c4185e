"""What is recorded of a phase, and how traces, metrics and logs are joined."""

import base64
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import cloud_attributes, faas_attributes
from opentelemetry.semconv._incubating.metrics import faas_metrics

from fcplug import Context
from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner
from fcplug.testing.contexts import headers_of

ID = "1-67a59f35-150c1267-f381ba1c085c"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
JAEGER = "124ed43254b54966:5708f3a959a10d7e:0:1"


def called(**headers: str) -> Context:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Context.from_headers({**headers_of({}), "x-fc-request-id": ID, **sent}, {})


@pytest.fixture
def invoke(collector: Any, fc: Runner) -> Callable[..., Answer]:
    """Return what calls a handler within the middleware, whose export is over at the answer."""

    def call(handler: Any, event: bytes = b"", context: Context | None = None) -> Answer:
        settings = {"endpoint": collector.url, "export": "invocation", "export_timeout": 30}
        middleware = [{"name": "otel", "settings": settings}]
        return fc.invoke(handler, event, middleware=middleware, context=context or called())

    return call


def facts(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def echo(event: bytes) -> bytes:
    return event


def test_a_span_of_an_invocation_follows_the_conventions(invoke: Any, collector: Any) -> None:
    context = called(
        x_fc_function_name="greet", x_fc_region="cn-hangzhou", x_fc_account_id="123",
        x_fc_qualifier="prod", x_fc_version_id="7",
    )  # fmt: skip
    assert invoke(echo, b"x", context).body == b"x"
    span = collector.span("echo")  # the name in functions.yaml; FC's name is another here
    assert facts(span.attributes) == {
        "fcplug.function": "echo",
        faas_attributes.FAAS_NAME: "greet",
        faas_attributes.FAAS_INVOCATION_ID: ID,
        faas_attributes.FAAS_TRIGGER: "other",
        faas_attributes.FAAS_COLDSTART: True,
        faas_attributes.FAAS_VERSION: "7",
        cloud_attributes.CLOUD_RESOURCE_ID: "acs:fc:cn-hangzhou:123:functions/greet",
    }
    assert span.kind == span.SPAN_KIND_SERVER
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert collector.span("echo initialize").kind == span.SPAN_KIND_INTERNAL


def test_only_the_first_invocation_is_a_cold_start(invoke: Any, collector: Any) -> None:
    for _ in range(3):
        invoke(echo)
    spans = [facts(span.attributes) for span in collector.spans]
    cold = [each["faas.coldstart"] for each in spans if "faas.coldstart" in each]
    assert cold == [True, False, False]
    points = collector.metrics["faas.coldstarts"].sum.data_points
    assert [point.as_int for point in points] == [1]


@pytest.mark.parametrize(
    ("event", "trigger"),
    [
        ("http", "http"), ("timer", "timer"), ("oss", "datasource"), ("sls", "datasource"),
        ("mns-topic", "pubsub"), ("kafka", "pubsub"), (b"\xff\x00", "other"), (b"", "other"),
        (b'{"name": "Ada"}', "other"),
    ],
)  # fmt: skip
def test_the_trigger_is_that_of_the_event(
    invoke: Any, collector: Any, fc_event: Any, event: Any, trigger: str
) -> None:
    invoke(echo, fc_event(event) if isinstance(event, str) else event)
    span = next(span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER)
    assert facts(span.attributes)["faas.trigger"] == trigger


@pytest.mark.parametrize(
    ("headers", "parent"),
    [
        ({"traceparent": PARENT}, (TRACE, SPAN)),
        ({"traceparent": PARENT, "x_fc_tracing_opentracing_span_context": JAEGER}, (TRACE, SPAN)),
        ({"x_fc_tracing_opentracing_span_context": JAEGER}, None),
        ({"x_fc_tracing_opentracing_span_context": quote(JAEGER)}, None),
        ({"x_fc_tracing_opentracing_span_context": base64.b64encode(JAEGER.encode()).decode()},
         None),
        ({"traceparent": "00-nonsense", "x_fc_tracing_opentracing_span_context": JAEGER}, None),
    ],
)  # fmt: skip
def test_the_parent_is_that_of_the_headers(
    invoke: Any, collector: Any, headers: dict[str, str], parent: tuple[str, str] | None
) -> None:
    invoke(echo, b"", called(**headers))
    expected = parent or ("0" * 16 + "124ed43254b54966", "5708f3a959a10d7e")
    for span in collector.spans:
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == expected


@pytest.mark.parametrize("text", ["", "x", "0:0:0:1", ":::", "a" * 40, "=", "ÿ:1:1:1", "1:2:3"])
def test_headers_without_a_trace_begin_a_new_one(invoke: Any, collector: Any, text: str) -> None:
    invoke(echo, b"", called(x_fc_tracing_opentracing_span_context=text, traceparent=text))
    assert collector.spans
    for span in collector.spans:
        assert span.parent_span_id == b""
        assert any(span.trace_id)


def test_the_parent_s_decision_not_to_sample_holds(invoke: Any, collector: Any) -> None:
    invoke(echo, b"", called(traceparent=f"00-{TRACE}-{SPAN}-00"))
    assert collector.spans == []
    assert collector.metrics["faas.invocations"].sum.data_points[0].as_int == 1


def test_traces_metrics_and_logs_carry_the_request_id(invoke: Any, collector: Any) -> None:
    def handle(event: bytes, context: Context) -> bytes:
        logging.getLogger("shop").warning("sold %d", 3)
        thread = threading.Thread(target=context.logger.error, args=("from a thread",))
        thread.start()
        thread.join()
        return event

    invoke(handle, b"", called(traceparent=PARENT))
    span = next(span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER)
    assert {facts(each.attributes)["faas.invocation_id"] for each in collector.spans} == {ID}
    sold, thread = collector.logs
    assert sold.body.string_value == "sold 3"
    assert (sold.trace_id, sold.span_id) == (span.trace_id, span.span_id)
    assert sold.severity_text == "WARNING"
    for record in (sold, thread):
        assert facts(record.attributes)["faas.invocation_id"] == ID
    (point,) = collector.metrics["faas.invoke_duration"].histogram.data_points
    assert "faas.invocation_id" not in facts(point.attributes)
    (exemplar,) = point.exemplars
    assert facts(exemplar.filtered_attributes) == {"faas.invocation_id": ID}
    assert exemplar.trace_id == span.trace_id


def test_the_metrics_have_the_names_and_units_of_the_conventions(
    invoke: Any, collector: Any
) -> None:
    invoke(echo)
    invoke(fail)
    expected = {
        faas_metrics.FAAS_INVOCATIONS: "{invocation}", faas_metrics.FAAS_ERRORS: "{error}",
        faas_metrics.FAAS_COLDSTARTS: "{coldstart}", faas_metrics.FAAS_INVOKE_DURATION: "s",
        faas_metrics.FAAS_INIT_DURATION: "s",
    }  # fmt: skip
    assert {name: metric.unit for name, metric in collector.metrics.items()} == expected


def fail(event: bytes) -> bytes:
    return deeper(event)


def deeper(event: bytes) -> bytes:
    raise ValueError("no such luck")


def test_an_error_has_the_frames_of_its_author_and_no_others(invoke: Any, collector: Any) -> None:
    answer = invoke(fail)
    assert isinstance(answer.error, ValueError)
    assert [frame[2] for frame in answer.json()["stackTrace"]] == ["in fail", "in deeper"]
    span = next(span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER)
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert facts(span.attributes)["error.type"] == "ValueError"
    (event,) = span.events
    stack = facts(event.attributes)["exception.stacktrace"]
    assert stack.count("File ") == 2
    assert "in fail\n" in stack
    assert "in deeper\n" in stack
    (point,) = collector.metrics["faas.errors"].sum.data_points
    assert facts(point.attributes)["error.type"] == "ValueError"


def test_a_coroutine_and_its_spans_belong_to_the_invocation(invoke: Any, collector: Any) -> None:
    seen: list[Any] = []

    async def handle(event: bytes) -> bytes:
        seen.append(trace.get_current_span().get_span_context())
        logging.getLogger("shop").error("async")
        return event

    invoke(handle)
    span = next(span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER)
    assert span.span_id == seen[0].span_id.to_bytes(8, "big")
    assert collector.logs[0].span_id == span.span_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_after_the_last_function_nothing_is_left_of_the_thread(collector: Any) -> None:
    with Runner() as runner:
        settings = {"endpoint": collector.url, "export": "background"}
        middleware = [{"name": "otel", "settings": settings}]
        runner.invoke(echo, middleware=middleware)
        runner.invoke(fail, middleware=middleware)
        assert len([each for each in threading.enumerate() if each.name == "fcplug-otel"]) == 1
    assert [each for each in threading.enumerate() if each.name == "fcplug-otel"] == []
    assert not [each for each in logging.getLogger().handlers if "otel" in type(each).__module__]
    assert len([span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER]) == 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"export": "later"}, "export: 'later' is not allowed: use auto, invocation"),
        ({"export_timeout": 0}, "export_timeout: 0 is not allowed: more than 0, at most 60"),
        ({"signals": ["traces", "spans"]}, "signals: ['spans'] is not allowed"),
        ({"endpoint": "collector:4318"}, "endpoint: not an http:// or https:// URL"),
        ({"endpont": "x"}, "unknown key 'endpont' (did you mean 'endpoint'?)"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(
    fc: Runner, settings: dict[str, Any], text: str
) -> None:
    error = fc.invoke(echo, middleware=[{"name": "otel", "settings": settings}]).error
    assert isinstance(error, PluginError)
    assert text in str(error)
