"""The events of FC's triggers as types: annotate the handler's event with one to get it.

::

    def handle(event: OSSEvent, context):
        return [record.key for record in event.events]

Fields have the names of the JSON document in Python's spelling. Other fields of the document are
left out. ``decode(event, OSSEvent)`` decodes an event without an annotation. Each type is imported
when it is first used: importing all of them would cost 8 ms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcplug.events.cdn import CDNEvent, CDNParameter, CDNRecord
    from fcplug.events.cloudevents import CloudEvent
    from fcplug.events.datahub import DataHubEvent, DataHubRecord
    from fcplug.events.decoding import decode
    from fcplug.events.dts import (
        DTSData,
        DTSDatabase,
        DTSEvent,
        DTSField,
        DTSImage,
        DTSIndex,
        DTSMessage,
        DTSSchema,
        DTSTopicPartition,
        DTSValue,
    )
    from fcplug.events.http import (
        ApiGatewayRequest,
        HttpContext,
        HttpDetail,
        HttpRequest,
        HttpResponse,
    )
    from fcplug.events.kafka import KafkaData, KafkaEvent, KafkaHeaders, KafkaMessage
    from fcplug.events.mns import (
        MNSQueueData,
        MNSQueueEvent,
        MNSQueueMessage,
        MNSTopicEvent,
        MNSTopicStream,
    )
    from fcplug.events.mqtt import MQTTData, MQTTEvent, MQTTMessage, MQTTProps
    from fcplug.events.oss import (
        OSSBucket,
        OSSDetail,
        OSSEvent,
        OSSIdentity,
        OSSObject,
        OSSObjectMeta,
        OSSRecord,
        OSSRequest,
        OSSResponse,
    )
    from fcplug.events.rabbitmq import (
        RabbitMQData,
        RabbitMQEnvelope,
        RabbitMQEvent,
        RabbitMQMessage,
    )
    from fcplug.events.rocketmq import RocketMQData, RocketMQEvent, RocketMQMessage
    from fcplug.events.sls import SLSEvent, SLSSource
    from fcplug.events.tablestore import (
        TablestoreColumn,
        TablestoreEvent,
        TablestoreInfo,
        TablestoreKey,
        TablestoreRecord,
    )
    from fcplug.events.timer import TimerEvent

__all__ = [
    "ApiGatewayRequest",
    "CDNEvent",
    "CDNParameter",
    "CDNRecord",
    "CloudEvent",
    "DTSData",
    "DTSDatabase",
    "DTSEvent",
    "DTSField",
    "DTSImage",
    "DTSIndex",
    "DTSMessage",
    "DTSSchema",
    "DTSTopicPartition",
    "DTSValue",
    "DataHubEvent",
    "DataHubRecord",
    "HttpContext",
    "HttpDetail",
    "HttpRequest",
    "HttpResponse",
    "KafkaData",
    "KafkaEvent",
    "KafkaHeaders",
    "KafkaMessage",
    "MNSQueueData",
    "MNSQueueEvent",
    "MNSQueueMessage",
    "MNSTopicEvent",
    "MNSTopicStream",
    "MQTTData",
    "MQTTEvent",
    "MQTTMessage",
    "MQTTProps",
    "OSSBucket",
    "OSSDetail",
    "OSSEvent",
    "OSSIdentity",
    "OSSObject",
    "OSSObjectMeta",
    "OSSRecord",
    "OSSRequest",
    "OSSResponse",
    "RabbitMQData",
    "RabbitMQEnvelope",
    "RabbitMQEvent",
    "RabbitMQMessage",
    "RocketMQData",
    "RocketMQEvent",
    "RocketMQMessage",
    "SLSEvent",
    "SLSSource",
    "TablestoreColumn",
    "TablestoreEvent",
    "TablestoreInfo",
    "TablestoreKey",
    "TablestoreRecord",
    "TimerEvent",
    "decode",
]

_MODULES = {
    "cdn": ("CDNEvent", "CDNParameter", "CDNRecord"),
    "cloudevents": ("CloudEvent",),
    "datahub": ("DataHubEvent", "DataHubRecord"),
    "decoding": ("decode",),
    "dts": (
        "DTSData",
        "DTSDatabase",
        "DTSEvent",
        "DTSField",
        "DTSImage",
        "DTSIndex",
        "DTSMessage",
        "DTSSchema",
        "DTSTopicPartition",
        "DTSValue",
    ),
    "http": ("ApiGatewayRequest", "HttpContext", "HttpDetail", "HttpRequest", "HttpResponse"),
    "kafka": ("KafkaData", "KafkaEvent", "KafkaHeaders", "KafkaMessage"),
    "mns": ("MNSQueueData", "MNSQueueEvent", "MNSQueueMessage", "MNSTopicEvent", "MNSTopicStream"),
    "mqtt": ("MQTTData", "MQTTEvent", "MQTTMessage", "MQTTProps"),
    "oss": (
        "OSSBucket",
        "OSSDetail",
        "OSSEvent",
        "OSSIdentity",
        "OSSObject",
        "OSSObjectMeta",
        "OSSRecord",
        "OSSRequest",
        "OSSResponse",
    ),
    "rabbitmq": ("RabbitMQData", "RabbitMQEnvelope", "RabbitMQEvent", "RabbitMQMessage"),
    "rocketmq": ("RocketMQData", "RocketMQEvent", "RocketMQMessage"),
    "sls": ("SLSEvent", "SLSSource"),
    "tablestore": (
        "TablestoreColumn",
        "TablestoreEvent",
        "TablestoreInfo",
        "TablestoreKey",
        "TablestoreRecord",
    ),
    "timer": ("TimerEvent",),
}


def __getattr__(name: str) -> Any:
    """Import a type when it is first used; the type of Tablestore needs cbor2."""
    for module, names in _MODULES.items():
        if name in names:
            found = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
