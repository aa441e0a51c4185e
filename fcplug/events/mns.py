"""The events of MNS: of a topic, in the two formats of its trigger, and of a queue."""

from datetime import datetime
from typing import Any

import msgspec

from fcplug.events import timestamps
from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel, Pascal

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class MNSTopicEvent(Pascal, frozen=True, kw_only=True):
    """What the trigger of a topic sends in the format JSON.

    ::

        {"TopicOwner": "118620", "TopicName": "orders", "Subscriber": "118620",
         "SubscriptionName": "shop", "MessageId": "2F5B3C", "MessageMD5": "BA4BA9",
         "Message": "hello topic", "PublishTime": 1550216302888, "colour": "red"}

    The attributes of a message are beside these fields; here they are in ``attributes``. An
    attribute with the name of a field cannot be distinguished from the field.

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
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        attributes = _OBJECT.decode(event)
        names = [name for name in cls.__struct_encode_fields__ if name != "Attributes"]
        known = {name: attributes.pop(name) for name in names if name in attributes}
        return msgspec.convert({**known, "Attributes": attributes}, cls)

    def to_json(self) -> dict[str, Any]:
        """Return the event as MNS sends it."""
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
    r"""What the trigger of a topic sends in the format STREAM: only the text of the message.

    ::

        hello topic

    A message with attributes comes in an envelope::

        {"body": "hello topic", "attrs": {"Extend": "{\"key\": \"value\"}"}}

    A message without attributes whose text is such an object cannot be distinguished from it.

    Source: FC's page "Formats of event for different triggers".
    """

    body: str
    attrs: dict[str, Any] = {}

    @classmethod
    def from_event(cls, event: bytes) -> "MNSTopicStream":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes are not UTF-8.
        """
        text = event.decode()
        try:
            enveloped = _ENVELOPED.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return cls(body=text)
        return cls(body=enveloped.body, attrs=enveloped.attrs)


class MNSQueueData(Camel, frozen=True, kw_only=True):
    """A message of a queue; ``message_body`` is text, or the value that EventBridge decoded."""

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

    An error for one message fails the whole batch.

    Source: FC's page "Formats of event for different triggers", and FC's Go SDK for the single
    message.
    """

    messages: tuple[MNSQueueMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "MNSQueueEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(MNSQueueMessage, MNSQueueData)
