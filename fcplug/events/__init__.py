"""The events of FC's triggers as types: ask for one by annotating the handler's event.

::

    def handle(event: OSSEvent, context):
        return [record.key for record in event.events]

Fields have the names of the wire in Python's spelling; what the wire has and a type does not know
is left out. ``decode(event, OSSEvent)`` does the same by hand.
"""

from typing import TYPE_CHECKING, Any

from fcplug.events.cdn import CDNEvent, CDNParameter, CDNRecord
from fcplug.events.cloudevents import (
    CloudEvent,
    KafkaData,
    KafkaEvent,
    KafkaMessage,
    MNSQueueData,
    MNSQueueEvent,
    RocketMQData,
    RocketMQEvent,
    RocketMQMessage,
)
from fcplug.events.decoding import decode
from fcplug.events.http import ApiGatewayRequest, HttpRequest, HttpResponse
from fcplug.events.mns import MNSTopicEvent, MNSTopicStream
from fcplug.events.oss import OSSEvent, OSSRecord
from fcplug.events.sls import SLSEvent, SLSSource
from fcplug.events.timer import TimerEvent

if TYPE_CHECKING:
    from fcplug.events.tablestore import TablestoreEvent, TablestoreRecord

__all__ = [
    "ApiGatewayRequest",
    "CDNEvent",
    "CDNParameter",
    "CDNRecord",
    "CloudEvent",
    "HttpRequest",
    "HttpResponse",
    "KafkaData",
    "KafkaEvent",
    "KafkaMessage",
    "MNSQueueData",
    "MNSQueueEvent",
    "MNSTopicEvent",
    "MNSTopicStream",
    "OSSEvent",
    "OSSRecord",
    "RocketMQData",
    "RocketMQEvent",
    "RocketMQMessage",
    "SLSEvent",
    "SLSSource",
    "TablestoreEvent",
    "TablestoreRecord",
    "TimerEvent",
    "decode",
]


def __getattr__(name: str) -> Any:
    """Import what needs a library of its own when it is asked for."""
    if name not in ("TablestoreEvent", "TablestoreRecord"):
        raise AttributeError(f"module 'fcplug.events' has no attribute '{name}'")
    from fcplug.events import tablestore  # noqa: PLC0415

    return getattr(tablestore, name)
