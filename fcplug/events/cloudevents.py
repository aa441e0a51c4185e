"""The events of EventBridge: CloudEvents, and what MNS queues, RocketMQ and Kafka put in them."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import field

from fcplug.events import moment
from fcplug.events.decoding import problem
from fcplug.events.wire import Camel

T = TypeVar("T")


class CloudEvent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What EventBridge sends; ``CloudEvent[Order]`` has data of that type.

    ::

        {"id": "c2g71017", "source": "shop", "type": "shop:order", "specversion": "1.0",
         "time": "2026-04-08T06:28:17.093Z", "aliyunregionid": "cn-chengdu", "data": {"size": 7}}

    EventBridge may send an event more than once: ``source`` and ``id`` tell which are one.
    """

    id: str
    source: str
    type: str
    data: T
    specversion: str = "1.0"
    datacontenttype: str = ""
    subject: str = ""
    time: str = ""
    account_id: str = field(default="", name="aliyunaccountid")
    original_account_id: str = field(default="", name="aliyunoriginalaccountid")
    event_bus_name: str = field(default="", name="aliyuneventbusname")
    region_id: str = field(default="", name="aliyunregionid")
    publish_time: str = field(default="", name="aliyunpublishtime")
    publish_address: str = field(default="", name="aliyunpublishaddr")

    @property
    def when(self) -> datetime | None:
        """The time of the event, with its zone; None if it tells none."""
        return moment.of_text(self.time) if self.time else None


class MNSQueueData(Camel, frozen=True, kw_only=True):
    """A message of a queue."""

    message_body: str
    message_id: str = ""
    request_id: str = ""


class MNSQueueEvent(CloudEvent[MNSQueueData], frozen=True, kw_only=True):
    """What EventBridge sends for a message of an MNS queue.

    ::

        {"id": "c2g71017", "source": "MNS-Function-mnstrigger", "type": "mns:Queue:SendMessage",
         "specversion": "1.0",
         "data": {"requestId": "606E", "messageId": "C6DB", "messageBody": "TEST"}}

    ``data.message_body`` is text: JSON in it is still text.
    """


class RocketMQData(Camel, frozen=True, kw_only=True):
    """A message of a topic; properties are text, ``CONSUME_START_TIME`` is a number."""

    topic: str
    body: str
    system_properties: dict[str, Any] = {}
    user_properties: dict[str, Any] = {}


class RocketMQMessage(CloudEvent[RocketMQData], frozen=True, kw_only=True):
    """One message of RocketMQ."""


class RocketMQEvent(msgspec.Struct, frozen=True):
    """What EventBridge sends for messages of RocketMQ: one, or in event streams an array.

    ::

        [{"id": "94ebc15f", "source": "RocketMQ-Function", "type": "mq:Topic:SendMessage",
          "specversion": "1.0",
          "data": {"topic": "orders", "systemProperties": {"TAGS": "new"},
                   "userProperties": {}, "body": "TEST"}}]

    Both are ``messages`` here. An error of one message is an error of all that came with it.
    """

    messages: tuple[RocketMQMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "RocketMQEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they are none.
        """
        if _is_array(event):
            return cls(_ROCKETMQ_MESSAGES.decode(event))
        return cls((_ROCKETMQ_MESSAGE.decode(event),))


class KafkaHeaders(Camel, frozen=True, kw_only=True):
    """The headers of a record, as Kafka's client has them."""

    headers: tuple[Any, ...] = ()
    is_read_only: bool = False


class KafkaData(Camel, frozen=True, kw_only=True):
    """A record of a topic; ``timestamp`` is milliseconds since 1970.

    ``value`` is text, unless EventBridge was told to read it as JSON.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    headers: KafkaHeaders = KafkaHeaders()
    key: Any = None
    value: Any = None


class KafkaMessage(CloudEvent[KafkaData], frozen=True, kw_only=True):
    """One record of Kafka."""


class KafkaEvent(msgspec.Struct, frozen=True):
    r"""What EventBridge sends for records of Kafka: an array of *texts*, each the JSON of one.

    ::

        ["{\"id\": \"1cb591f9\", \"source\": \"acs:alikafka\", \"specversion\": \"1.0\",
           \"type\": \"alikafka:Topic:Message\", \"data\": {\"topic\": \"orders\",
           \"partition\": 9, \"offset\": 3, \"value\": \"TEST\"}}"]

    A single object, and an array of objects, are taken as well. An error of one record is an error
    of all that came with it.
    """

    messages: tuple[KafkaMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "KafkaEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they are none.
        """
        if not _is_array(event):
            return cls((_KAFKA_MESSAGE.decode(event),))
        parts = enumerate(_PARTS.decode(event))
        return cls(tuple(_kafka_message(index, part) for index, part in parts))


def _kafka_message(index: int, part: msgspec.Raw) -> KafkaMessage:
    text = bytes(part)
    try:
        if text.startswith(b'"'):
            text = _TEXT.decode(text).encode()
        return _KAFKA_MESSAGE.decode(text)
    except ValueError as error:
        what = problem(error, text)
        rest = what[1:] if what.startswith("$") else f": {what}"
        raise msgspec.ValidationError(f"$[{index}]{rest}") from None


def _is_array(event: bytes) -> bool:
    return event[:64].lstrip().startswith(b"[")


_ROCKETMQ_MESSAGE = msgspec.json.Decoder(RocketMQMessage)
_ROCKETMQ_MESSAGES = msgspec.json.Decoder(tuple[RocketMQMessage, ...])
_KAFKA_MESSAGE = msgspec.json.Decoder(KafkaMessage)
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
