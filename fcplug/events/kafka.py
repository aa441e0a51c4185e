"""The event of a Kafka trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class KafkaHeaders(Camel, frozen=True, kw_only=True):
    """The headers of a record, as Kafka's client has them; ``is_read_only`` means nothing."""

    headers: tuple[Any, ...] = ()
    is_read_only: bool = False


class KafkaData(Camel, frozen=True, kw_only=True):
    """A record of a topic; ``timestamp`` is milliseconds since 1970.

    ``value`` depends on the trigger's format: text, base64 for binary, or the value that
    EventBridge has read from JSON.
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
    r"""What a Kafka trigger sends: an array of records, each an object or the JSON text of one.

    ::

        ["{\"id\": \"1cb591f9\", \"source\": \"acs:alikafka\", \"specversion\": \"1.0\",
           \"type\": \"alikafka:Topic:Message\", \"data\": {\"topic\": \"orders\",
           \"partition\": 9, \"offset\": 3, \"value\": \"TEST\"}}"]

    With the format RawData, each is the data alone. An error of one record is an error of all that
    came with it.

    Source: FC's page "Formats of event for different triggers" shows objects, FC's Go SDK texts;
    RawData is from FC's API reference (``DeliveryOption.eventSchema``).
    """

    messages: tuple[KafkaMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "KafkaEvent":
        """Return the event of these bytes.

        Raises:
            ValueError: they do not fit.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(KafkaMessage, KafkaData)
