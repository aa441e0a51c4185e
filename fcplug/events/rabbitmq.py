"""The event of a RabbitMQ trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class RabbitMQEnvelope(Camel, frozen=True, kw_only=True):
    """How the message was routed to the queue."""

    delivery_tag: int = 0
    exchange: str = ""
    redeliver: bool = False
    routing_key: str = ""


class RabbitMQData(Camel, frozen=True, kw_only=True):
    """A message of a queue.

    ``body`` is the value that EventBridge decoded from JSON, or text. ``props`` has
    ``contentEncoding``, ``messageId`` and the other properties of the message.
    """

    body: Any
    envelope: RabbitMQEnvelope = RabbitMQEnvelope()
    props: dict[str, Any] = {}


class RabbitMQMessage(CloudEvent[RabbitMQData], frozen=True, kw_only=True):
    """One message of RabbitMQ."""


class RabbitMQEvent(msgspec.Struct, frozen=True):
    """What a RabbitMQ trigger sends: an array of messages.

    ::

        [{"id": "bj694332", "source": "RabbitMQ-Function", "type": "amqp:Queue:SendMessage",
          "specversion": "1.0",
          "data": {"envelope": {"deliveryTag": 98, "exchange": "", "redeliver": false,
                                "routingKey": "orders"},
                   "body": {"Hello": "RabbitMQ"},
                   "props": {"contentEncoding": "UTF-8", "messageId": "f7622d51"}}}]

    An error for one message fails the whole batch.

    Source: FC's page "Formats of event for different triggers", where the body is an object. The
    page does not show other values.
    """

    messages: tuple[RabbitMQMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "RabbitMQEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(RabbitMQMessage, RabbitMQData)
