"""The event of a RocketMQ trigger, for Alibaba Cloud's service or your own RocketMQ."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class RocketMQData(Camel, frozen=True, kw_only=True):
    """A message of a topic.

    ``body`` is text, or the value that EventBridge decoded if the format of the trigger is JSON.
    Properties are text, except ``CONSUME_START_TIME``: milliseconds since 1970, as a number. Only
    your own RocketMQ sends ``msg_id``.
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

    Your own RocketMQ sends only the data, with an id::

        [{"msgId": "7F00", "topic": "orders", "systemProperties": {"TAGS": "new"},
          "userProperties": {}, "body": "TEST"}]

    An error for one message fails the whole batch.

    Source: FC's page "Formats of event for different triggers", and FC's Go SDK for the single
    message. That a JSON body is an object is from reports; the page shows only text.
    """

    messages: tuple[RocketMQMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "RocketMQEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(RocketMQMessage, RocketMQData)
