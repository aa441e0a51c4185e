"""The kinds of event that FC's triggers send, and how to recognize them.

This module imports no types, so that an error message can name a kind without loading them.
"""

from collections.abc import Mapping
from typing import Any

TYPES: Mapping[str, str] = {
    "api-gateway": "ApiGatewayRequest",
    "cdn": "CDNEvent",
    "cloudevent": "CloudEvent",
    "datahub": "DataHubEvent",
    "dts": "DTSEvent",
    "http": "HttpRequest",
    "kafka": "KafkaEvent",
    "mns-queue": "MNSQueueEvent",
    "mns-stream": "MNSTopicStream",
    "mns-topic": "MNSTopicEvent",
    "mqtt": "MQTTEvent",
    "oss": "OSSEvent",
    "oss-eventbridge": "CloudEvent[OSSRecord]",
    "rabbitmq": "RabbitMQEvent",
    "rocketmq": "RocketMQEvent",
    "rocketmq-self-built": "RocketMQEvent",
    "sls": "SLSEvent",
    "tablestore": "TablestoreEvent",
    "timer": "TimerEvent",
}
"""The annotation for each kind of event: a name in ``fcplug.events``."""

# The start of a CloudEvent's type, as in "mns:Queue:SendMessage".
_CLOUD_EVENTS = {
    "alikafka:": "kafka",
    "amqp:": "rabbitmq",
    "dts:": "dts",
    "mns:": "mns-queue",
    "mq:": "rocketmq",
    "oss:Object": "oss-eventbridge",
}

# Fields that only one kind has together. EventBridge can leave out the envelope of a message, so
# fields of its "data" are here, too.
_FIELDS = (
    ("timer", {"triggerTime", "triggerName"}),
    ("sls", {"cursorTime", "source"}),
    ("mns-topic", {"TopicName", "Message", "MessageId"}),
    ("http", {"rawPath", "requestContext"}),
    ("api-gateway", {"path", "httpMethod"}),
    ("datahub", {"eventSourceARN", "records"}),
    ("tablestore", {"Version", "Records"}),
    ("mqtt", {"props", "body", "firstTopic"}),
    ("rabbitmq", {"envelope", "body"}),
    ("rocketmq-self-built", {"msgId", "topic", "body"}),
    ("rocketmq", {"topic", "systemProperties", "body"}),
    ("kafka", {"topic", "partition", "offset"}),
    ("dts", {"topicPartition", "operationType"}),
    ("mns-queue", {"messageBody"}),
)


def looks_like(document: Any) -> str | None:
    """Return the kind of event that a decoded JSON value looks like, one of ``TYPES``; else None.

    Of a batch, the first message decides.
    """
    if isinstance(document, list):
        document = document[0] if document else None
        if isinstance(document, str) and document.lstrip()[:1] == "{":
            return "kafka"  # an array of texts, each of them JSON
    if not isinstance(document, dict):
        return None
    return _of_events(document) or _of_cloud_event(document) or _of_fields(document)


def _of_events(document: dict[str, Any]) -> str | None:
    """Recognize ``{"events": [...]}``, which OSS and CDN send."""
    events = document.get("events")
    first = events[0] if isinstance(events, list) and events else None
    if not isinstance(first, dict) or "eventName" not in first:
        return None
    return "oss" if "oss" in first else "cdn" if "eventParameter" in first else None


def _of_cloud_event(document: dict[str, Any]) -> str | None:
    kind = document.get("type")
    if not isinstance(kind, str) or not {"id", "source", "data"} <= document.keys():
        return None
    found = (name for start, name in _CLOUD_EVENTS.items() if kind.startswith(start))
    return next(found, "cloudevent")


def _of_fields(document: dict[str, Any]) -> str | None:
    if document.keys() == {"body", "attrs"}:
        return "mns-stream"
    props = document.get("props")
    names = {*document, *(props if isinstance(props, dict) else ())}
    return next((kind for kind, fields in _FIELDS if fields <= names), None)
