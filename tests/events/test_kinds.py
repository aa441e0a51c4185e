"""An event is recognized by its shape, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcplug.events.kinds import TYPES, looks_like


def cloud_event(type_: str) -> dict[str, Any]:
    return {"id": "1", "source": "s", "type": type_, "data": {}}


EVENTS: list[tuple[str, Any]] = [
    ("timer", {"triggerTime": "2026-07-29T10:02:58Z", "triggerName": "nightly", "payload": ""}),
    ("oss", {"events": [{"eventName": "ObjectCreated:PutObject", "oss": {}}]}),
    ("cdn", {"events": [{"eventName": "LogFileCreated", "eventParameter": {}}]}),
    ("sls", {"cursorTime": 1, "source": {}, "parameter": {}}),
    ("mns-topic", {"TopicName": "t", "Message": "m", "MessageId": "1", "colour": "red"}),
    ("mns-stream", {"body": "hello", "attrs": {}}),
    ("mns-queue", [cloud_event("mns:Queue:SendMessage")]),
    ("mns-queue", cloud_event("mns:Queue:SendMessage")),
    ("mns-queue", [{"messageBody": "TEST"}]),
    ("rocketmq", [cloud_event("mq:Topic:SendMessage")]),
    ("rocketmq", [{"topic": "t", "systemProperties": {}, "body": "TEST"}]),
    ("rocketmq-self-built", [{"msgId": "1", "topic": "t", "systemProperties": {}, "body": ""}]),
    ("rabbitmq", [cloud_event("amqp:Queue:SendMessage")]),
    ("rabbitmq", [{"envelope": {}, "body": {}, "props": {}}]),
    ("kafka", [cloud_event("alikafka:Topic:Message")]),
    ("kafka", ['{"id": "1"}']),
    ("kafka", [{"topic": "t", "partition": 0, "offset": 0, "value": ""}]),
    ("mqtt", [{"props": {"firstTopic": "t"}, "body": "hello"}]),
    ("dts", [cloud_event("dts:ConsumeMessage")]),
    ("dts", [{"topicPartition": {}, "operationType": "UPDATE"}]),
    ("datahub", {"eventSource": "acs:datahub", "eventSourceARN": "/projects/p", "records": []}),
    ("tablestore", {"Version": "Sync-v1", "Records": []}),
    ("oss-eventbridge", cloud_event("oss:ObjectCreated:PutObject")),
    ("cloudevent", cloud_event("oss:BucketCreated:PutBucket")),
    ("cloudevent", cloud_event("shop:order")),
    ("http", {"version": "v1", "rawPath": "/", "requestContext": {}}),
    ("api-gateway", {"path": "/", "httpMethod": "GET"}),
]


@pytest.mark.parametrize(("kind", "document"), EVENTS, ids=[kind for kind, _ in EVENTS])
def test_an_event_is_recognized_by_its_shape(kind: str, document: Any) -> None:
    assert looks_like(document) == kind


def test_every_kind_is_recognized() -> None:
    assert {kind for kind, _ in EVENTS} == set(TYPES)


@pytest.mark.parametrize(
    "document",
    [None, 1, "text", [], {}, [[]], [1], ["text"], {"events": []}, {"events": [1]},
     {"events": [{"name": "a"}]}, {"id": 1, "sizes": [3]}, {"type": 7, "id": 1, "source": "",
     "data": 0}, {"props": 7, "body": ""}, {"body": ""}, {"topic": "t"}],
    ids=repr,
)  # fmt: skip
def test_what_no_trigger_sends_looks_like_nothing(document: Any) -> None:
    assert looks_like(document) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["events", "type", "props", "id", "source", "data", "body"]), inner
            )
        ),
    )
)
def test_any_json_can_be_looked_at(document: Any) -> None:
    assert looks_like(document) in (None, *TYPES)
