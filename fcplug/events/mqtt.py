"""The event of an MQTT trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class MQTTProps(Camel, frozen=True, kw_only=True):
    """Where the message came from: a topic, the topic below it, and the client that sent it."""

    first_topic: str = ""
    second_topic: str = ""
    client_id: str = ""


class MQTTData(Camel, frozen=True, kw_only=True):
    """A message; ``body`` is text where the trigger does not read it as JSON."""

    body: Any
    props: MQTTProps = MQTTProps()


class MQTTMessage(CloudEvent[MQTTData], frozen=True, kw_only=True):
    """One message of MQTT; all fields but ``data`` are empty where it came without a CloudEvent."""


class MQTTEvent(msgspec.Struct, frozen=True):
    """What an MQTT trigger sends: an array of messages, without a CloudEvent around them.

    ::

        [{"props": {"firstTopic": "orders", "secondTopic": "/new", "clientId": "GID@@@7"},
          "body": "hello"}]

    An error of one message is an error of all that came with it.

    Source: FC's page "Formats of event for different triggers". It does not say whether a
    CloudEvent may be around a message, as it is for the other queues; both are taken.
    """

    messages: tuple[MQTTMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "MQTTEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they do not fit.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(MQTTMessage, MQTTData)
