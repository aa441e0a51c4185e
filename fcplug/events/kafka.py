"""The event of a Kafka trigger."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class KafkaHeaders(Camel, frozen=True, kw_only=True):
    """The headers of a record, as in Kafka's client; ``is_read_only`` has no meaning here."""

    headers: tuple[Any, ...] = ()
    is_read_only: bool = False


class KafkaData(Camel, frozen=True, kw_only=True):
    """A record of a topic; ``timestamp`` is milliseconds since 1970.

    ``value`` depends on the trigger's format: text, base64 for binary, or the value that
    EventBridge decoded from JSON.
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

    With the format RawData, each is only the data. An error for one record fails the whole batch.

    Source: FC's page "Formats of event for different triggers" shows objects, FC's Go SDK shows
    texts; RawData is from FC's API reference (``DeliveryOption.eventSchema``).
    """

    messages: tuple[KafkaMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "KafkaEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(KafkaMessage, KafkaData)
