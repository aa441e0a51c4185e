"""The events of MNS: of a topic, in the two formats that its trigger can be set to; of a queue."""

from datetime import datetime
from typing import Any

import msgspec

from fcplug.events import timestamps
from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel, Pascal

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class MNSTopicEvent(Pascal, frozen=True, kw_only=True):
    """What a topic's trigger sends in the format JSON.

    ::

        {"TopicOwner": "118620", "TopicName": "orders", "Subscriber": "118620",
         "SubscriptionName": "shop", "MessageId": "2F5B3C", "MessageMD5": "BA4BA9",
         "Message": "hello topic", "PublishTime": 1550216302888, "colour": "red"}

    A message's attributes stand beside these fields, and are all in ``attributes`` here; one that
    has the name of a field cannot be told from it.

    Source: FC's page "Formats of event for different triggers".
    """

    message: str
    message_id: str
    topic_name: str
    publish_time: int
    topic_owner: str = ""
    subscriber: str = ""
    subscription_name: str = ""
    message_md5: str = msgspec.field(default="", name="MessageMD5")
    attributes: dict[str, Any] = {}

    @classmethod
    def from_event(cls, event: bytes) -> "MNSTopicEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they are none.
        """
        attributes = _OBJECT.decode(event)
        names = [name for name in cls.__struct_encode_fields__ if name != "Attributes"]
        known = {name: attributes.pop(name) for name in names if name in attributes}
        return msgspec.convert({**known, "Attributes": attributes}, cls)

    def to_json(self) -> dict[str, Any]:
        """Return the event as it is sent."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {**document.pop("Attributes"), **document}

    @property
    def when(self) -> datetime:
        """The time of ``publish_time``, which counts milliseconds, in UTC."""
        return timestamps.from_epoch(self.publish_time / 1000)


class _Enveloped(msgspec.Struct, forbid_unknown_fields=True):
    body: str
    attrs: dict[str, Any]


_ENVELOPED = msgspec.json.Decoder(_Enveloped)


class MNSTopicStream(msgspec.Struct, frozen=True, kw_only=True):
    r"""What a topic's trigger sends in the format STREAM: the message's text and nothing else.

    ::

        hello topic

    A message with attributes comes in an envelope::

        {"body": "hello topic", "attrs": {"Extend": "{\"key\": \"value\"}"}}

    A message without attributes whose own text is such an object cannot be told from it.

    Source: FC's page "Formats of event for different triggers".
    """

    body: str
    attrs: dict[str, Any] = {}

    @classmethod
    def from_event(cls, event: bytes) -> "MNSTopicStream":
        """Return the event of these bytes.

        Raises:
            ValueError: they are no text.
        """
        text = event.decode()
        try:
            enveloped = _ENVELOPED.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return cls(body=text)
        return cls(body=enveloped.body, attrs=enveloped.attrs)


class MNSQueueData(Camel, frozen=True, kw_only=True):
    """A message of a queue; ``message_body`` is text, or the value if EventBridge has read JSON."""

    message_body: Any
    message_id: str = ""
    request_id: str = ""


class MNSQueueMessage(CloudEvent[MNSQueueData], frozen=True, kw_only=True):
    """One message of a queue."""


class MNSQueueEvent(msgspec.Struct, frozen=True):
    """What the trigger of an MNS queue sends: an array of messages; in FC 2.0 also a single one.

    ::

        [{"id": "c2g71017", "source": "MNS-Function-mnstrigger", "specversion": "1.0",
          "type": "mns:Queue:SendMessage",
          "data": {"requestId": "606E", "messageId": "C6DB", "messageBody": "TEST"}}]

    An error of one message is an error of all that came with it.

    Source: FC's page "Formats of event for different triggers", and FC's Go SDK for the single
    message.
    """

    messages: tuple[MNSQueueMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "MNSQueueEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they do not fit.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(MNSQueueMessage, MNSQueueData)
