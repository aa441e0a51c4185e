"""The event of a RocketMQ trigger, of Alibaba Cloud's service or a RocketMQ of your own."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class RocketMQData(Camel, frozen=True, kw_only=True):
    """A message of a topic.

    ``body`` is text, or the value that EventBridge has read from it where the trigger's format is
    JSON. Properties are text, but ``CONSUME_START_TIME`` is a number of milliseconds since 1970.
    ``msg_id`` is empty but for a RocketMQ of your own.
    """

    topic: str
    body: Any
    msg_id: str = ""
    system_properties: dict[str, Any] = {}
    user_properties: dict[str, Any] = {}


class RocketMQMessage(CloudEvent[RocketMQData], frozen=True, kw_only=True):
    """One message of RocketMQ."""


class RocketMQEvent(msgspec.Struct, frozen=True):
    """What a RocketMQ trigger sends: an array of messages; in FC 2.0 also a single one.

    ::

        [{"id": "94ebc15f", "source": "RocketMQ-Function", "type": "mq:Topic:SendMessage",
          "specversion": "1.0",
          "data": {"topic": "orders", "systemProperties": {"TAGS": "new"},
                   "userProperties": {}, "body": "TEST"}}]

    A RocketMQ of your own sends the data alone, with an id::

        [{"msgId": "7F00", "topic": "orders", "systemProperties": {"TAGS": "new"},
          "userProperties": {}, "body": "TEST"}]

    An error of one message is an error of all that came with it.

    Source: FC's page "Formats of event for different triggers", and FC's Go SDK for the single
    message. That a JSON body is an object is from reports; the page shows text only.
    """

    messages: tuple[RocketMQMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "RocketMQEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they do not fit.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(RocketMQMessage, RocketMQData)
