"""The event of an MQTT trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class MQTTProps(Camel, frozen=True, kw_only=True):
    """The origin of the message: topic, subtopic, and the client that sent it."""

    first_topic: str = ""
    second_topic: str = ""
    client_id: str = ""


class MQTTData(Camel, frozen=True, kw_only=True):
    """A message; ``body`` is text if the trigger does not decode it from JSON."""

    body: Any
    props: MQTTProps = MQTTProps()


class MQTTMessage(CloudEvent[MQTTData], frozen=True, kw_only=True):
    """One message of MQTT; without a CloudEvent around it, all fields but ``data`` are empty."""


class MQTTEvent(msgspec.Struct, frozen=True):
    """What an MQTT trigger sends: an array of messages, without a CloudEvent around them.

    ::

        [{"props": {"firstTopic": "orders", "secondTopic": "/new", "clientId": "GID@@@7"},
          "body": "hello"}]

    An error for one message fails the whole batch.

    Source: FC's page "Formats of event for different triggers". It does not say whether a
    message can have a CloudEvent around it, as those of other queues do; both forms are accepted.
    """

    messages: tuple[MQTTMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "MQTTEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(MQTTMessage, MQTTData)
