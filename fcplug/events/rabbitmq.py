"""The event of a RabbitMQ trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class RabbitMQEnvelope(Camel, frozen=True, kw_only=True):
    """How the message came to the queue."""

    delivery_tag: int = 0
    exchange: str = ""
    redeliver: bool = False
    routing_key: str = ""


class RabbitMQData(Camel, frozen=True, kw_only=True):
    """A message of a queue.

    ``body`` is the value that EventBridge has read from JSON, or text. ``props`` has
    ``contentEncoding``, ``messageId`` and whatever else was set on the message.
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

    An error of one message is an error of all that came with it.

    Source: FC's page "Formats of event for different triggers", where the body is an object; which
    other values it can be is not shown.
    """

    messages: tuple[RabbitMQMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "RabbitMQEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they do not fit.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(RabbitMQMessage, RabbitMQData)
